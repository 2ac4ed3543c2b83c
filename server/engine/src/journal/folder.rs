//! The data folder: its files are regular and private, and it stays where it is.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::error::JournalError;

/// The database; `SQLite` puts its log beside it.
pub const DATABASE: &str = "journal.sqlite";

/// The log of `SQLite`: what was committed and is not in the database yet.
pub const LOG: &str = "journal.sqlite-wal";

/// The number of the last commit.
const MARK: &str = "committed";

/// The files that a folder may have at start.
const FILES: [&str; 4] = [DATABASE, LOG, "journal.sqlite-shm", MARK];

/// Mode bits of those who are not the gateway's user.
const OTHERS: u32 = 0o077;

/// The data folder.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if there is none, and checks what is in it.
    ///
    /// Files that others may read or write become private: a backup that is copied back often has
    /// a wider mode, and `SQLite` gives its log the mode of the database.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => JournalError::NotAFolder,
            _ => error.into(),
        })?;
        // A start that changes the working directory does not change the folder.
        let path = path.canonicalize()?;
        let exposure = exposure(&path)?;
        if exposure.replaceable {
            tracing::warn!(
                folder = %path.display(),
                "every user of the machine can replace files in the data folder"
            );
        }
        for name in exposure.readable {
            fs::set_permissions(path.join(name), Permissions::from_mode(0o600))?;
        }
        Ok(Self { path })
    }

    /// Makes the database file if there is none, and gives its path.
    pub fn database(&self) -> io::Result<PathBuf> {
        drop(self.open_private(DATABASE)?);
        Ok(self.path.join(DATABASE))
    }

    /// Opens the file with the number of the last commit.
    pub fn mark(&self) -> io::Result<File> {
        self.open_private(MARK)
    }

    fn open_private(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        options.open(self.path.join(name))
    }

    /// The database and its log, to be measured.
    pub fn files(&self) -> [PathBuf; 2] {
        [DATABASE, FILES[1]].map(|name| self.path.join(name))
    }

    /// Makes the folder's entries survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Remembers the database and its log as they are now.
    pub fn watch(&self) -> io::Result<Watch> {
        let identify = |name: &str| {
            let path = self.path.join(name);
            let identity = Identity::of(&fs::metadata(&path)?);
            Ok((path, identity))
        };
        let files = FILES[..2].iter().map(|name| identify(name)).collect::<io::Result<_>>()?;
        Ok(Watch(files))
    }
}

/// What other users of the machine can do with a data folder.
pub struct Exposure {
    /// They can replace its files.
    pub replaceable: bool,
    /// They can read or write these files.
    pub readable: Vec<&'static str>,
}

/// Checks that the files of a folder are regular, and finds what others can do with them.
pub fn exposure(folder: &Path) -> Result<Exposure, JournalError> {
    let replaceable = fs::metadata(folder)?.mode() & 0o002 != 0;
    let mut readable = Vec::new();
    for name in FILES {
        let Some(file) = found(fs::symlink_metadata(folder.join(name)))? else { continue };
        if !file.is_file() {
            return Err(JournalError::NotAFile { name });
        }
        if file.mode() & OTHERS != 0 {
            readable.push(name);
        }
    }
    Ok(Exposure { replaceable, readable })
}

/// A file that need not be there.
fn found(metadata: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match metadata {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Notices that files were removed or replaced. The process could still write to them, and the next
/// start would find nothing of it.
///
/// Only looks at them: to open and close a file of `SQLite` would release its locks.
pub struct Watch(Vec<(PathBuf, Identity)>);

impl Watch {
    /// Checks that the files are still in their place.
    pub fn check(&self) -> Result<(), JournalError> {
        for (path, identity) in &self.0 {
            let now = fs::metadata(path).map(|metadata| Identity::of(&metadata));
            if now.ok() != Some(*identity) {
                return Err(JournalError::Removed { path: path.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").mode() & 0o777
    }

    #[test]
    fn a_link_in_the_folder_is_refused() {
        for name in FILES {
            let (folder, elsewhere) = (tempfile::tempdir(), tempfile::NamedTempFile::new());
            let (folder, elsewhere) = (folder.expect("a folder"), elsewhere.expect("a file"));
            symlink(elsewhere.path(), folder.path().join(name)).expect("a link");
            let refused = Folder::open(folder.path()).err();
            assert!(matches!(refused, Some(JournalError::NotAFile { .. })), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_a_link_is_followed() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::create_dir(parent.path().join("data")).expect("a folder");
        symlink("data", parent.path().join("link")).expect("a link");
        let folder = Folder::open(&parent.path().join("link")).expect("a folder");
        drop(folder.mark().expect("a file"));
        assert!(parent.path().join("data/committed").exists());
    }

    #[test]
    fn files_that_others_can_read_become_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(DATABASE);
        fs::write(&path, "").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode");
        Folder::open(folder.path()).expect("a folder");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_is_removed_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(DATABASE);
        for name in &FILES[..2] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        let watch = Folder::open(folder.path()).expect("a folder").watch().expect("a watch");
        watch.check().expect("in its place");
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        assert!(watch.check().is_err());
        fs::write(&path, "").expect("another file");
        assert!(watch.check().is_err());
        fs::rename(folder.path().join("moved"), &path).expect("moved back");
        watch.check().expect("in its place again");
    }
}

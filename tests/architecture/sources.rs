//! Reads the sources of a crate and finds which module uses which: the arrows between modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use tests::gateway::root;

/// Where a module is in its crate: `["memory", "state"]`. The crate root is empty.
pub type ModulePath = Vec<String>;

/// A place in one module where another module of the crate is used.
#[derive(Debug, Clone)]
pub struct Arrow {
    pub from: ModulePath,
    pub to: ModulePath,
    file: PathBuf,
    line: usize,
    path: String,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, file, line, path } = self;
        let (from, to) = (name(from), name(to));
        write!(f, "{from} -> {to}   {}:{line} uses `{path}`", file.display())
    }
}

/// `lib.rs` in messages and in the table of layers.
pub const ROOT: &str = "the crate root";

/// A module as it is called in messages.
pub fn name(module: &[String]) -> String {
    if module.is_empty() { ROOT.to_owned() } else { module.join("::") }
}

/// A path in the source, with the name that a `use` gives it.
#[derive(Debug, Clone)]
struct Mention {
    segments: Vec<String>,
    line: usize,
    /// How many inline modules are around it.
    depth: usize,
    /// The name that it is imported under; `*` for a glob; `None` for a path in the code.
    imported: Option<String>,
    public: bool,
}

/// One file of a crate.
#[derive(Default)]
struct Module {
    file: PathBuf,
    children: BTreeSet<String>,
    mentions: Vec<Mention>,
    /// The names of the items that the file defines.
    defines: BTreeSet<String>,
    /// Every name in the code outside `use` declarations.
    names: BTreeSet<String>,
}

/// The modules of a crate.
pub struct Sources {
    /// The name under which the crate's binary uses its library.
    library: String,
    modules: BTreeMap<ModulePath, Module>,
}

impl Sources {
    /// Reads the crate in this folder, from its `src/lib.rs` and `src/main.rs`.
    pub fn read(folder: &str) -> Self {
        let library = folder.rsplit('/').next().expect("a name").replace('-', "_");
        let mut sources = Self { library, modules: BTreeMap::new() };
        let source = Path::new(folder).join("src");
        sources.read_module(Vec::new(), &source.join("lib.rs"), &source);
        let main = source.join("main.rs");
        if root().join(&main).exists() {
            sources.read_module(vec!["main".to_owned()], &main, &source);
        }
        sources
    }

    /// A crate of these modules, each with its text.
    pub fn of_texts(modules: &[(&str, &str)]) -> Self {
        let modules = modules.iter().map(|(path, text)| {
            let module = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned);
            (module.collect(), Module::parse(Path::new(path), text))
        });
        Self { library: String::new(), modules: modules.collect() }
    }

    /// Reads a module and those that it declares, which are in `folder`.
    fn read_module(&mut self, path: ModulePath, file: &Path, folder: &Path) {
        let text = fs::read_to_string(root().join(file));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let module = Module::parse(file, &text);
        for child in &module.children {
            let flat = folder.join(format!("{child}.rs"));
            let nested = folder.join(child);
            let file = if root().join(&flat).exists() { flat } else { nested.join("mod.rs") };
            let child_path = [path.as_slice(), std::slice::from_ref(child)].concat();
            self.read_module(child_path, &file, &nested);
        }
        self.modules.insert(path, module);
    }

    /// The top-level modules.
    pub fn top_level(&self) -> BTreeSet<String> {
        self.modules.keys().filter_map(|path| path.first().cloned()).collect()
    }

    /// The folders of the crate: every module that has children.
    pub fn folders(&self) -> Vec<ModulePath> {
        let folders = self.modules.iter().filter(|(_, module)| !module.children.is_empty());
        folders.map(|(path, _)| path.clone()).collect()
    }

    /// Every arrow. A re-export of a child that the module itself does not use is none: the
    /// module is its facade.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, module) in &self.modules {
            for mention in &module.mentions {
                let Some(to) = self.resolve(from, &mention.segments, mention.depth, 0) else {
                    continue;
                };
                if to == *from || self.is_facade(from, module, mention, &to) {
                    continue;
                }
                arrows.push(Arrow {
                    from: from.clone(),
                    to,
                    file: module.file.clone(),
                    line: mention.line,
                    path: mention.segments.join("::"),
                });
            }
        }
        arrows
    }

    fn is_facade(
        &self,
        at: &ModulePath,
        module: &Module,
        mention: &Mention,
        to: &ModulePath,
    ) -> bool {
        let reexports = mention.public && to.starts_with(at);
        reexports
            && match mention.imported.as_deref() {
                Some("*") => self.modules[to].defines.is_disjoint(&module.names),
                Some(name) => !module.names.contains(name),
                None => false,
            }
    }

    /// The module that defines what a path in `at` names; `None` where it is of another crate.
    fn resolve(
        &self,
        at: &ModulePath,
        segments: &[String],
        depth: usize,
        hops: usize,
    ) -> Option<ModulePath> {
        if hops > 8 {
            return None;
        }
        let mut inline = depth;
        let mut here = at.clone();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &rest[1..]),
            first if first == self.library && *at == ["main"] => {
                (here, rest) = (Vec::new(), &rest[1..]);
            }
            "self" if inline == 0 => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    rest = &rest[1..];
                    if inline > 0 {
                        inline -= 1;
                    } else {
                        here.pop()?;
                    }
                }
            }
            first if inline == 0 && self.modules[at].children.contains(first) => {}
            _ => return None,
        }
        for (place, segment) in rest.iter().enumerate() {
            if self.modules[&here].children.contains(segment) {
                here.push(segment.clone());
            } else {
                let item = self.resolve_item(&here, segment, hops);
                // An imported module goes on with the rest of the path.
                return match rest.get(place + 1) {
                    Some(next) if self.modules[&item].children.contains(next) => {
                        let path = [&["crate".to_owned()], &*item, &rest[place + 1..]].concat();
                        self.resolve(at, &path, 0, hops + 1)
                    }
                    _ => Some(item),
                };
            }
        }
        Some(here)
    }

    /// The module that defines an item which `module` defines or imports.
    fn resolve_item(&self, module: &ModulePath, item: &str, hops: usize) -> ModulePath {
        let source = &self.modules[module];
        if source.defines.contains(item) {
            return module.clone();
        }
        let mut imports = source.mentions.iter().filter(|mention| mention.depth == 0);
        if let Some(import) =
            imports.clone().find(|mention| mention.imported.as_deref() == Some(item))
        {
            return self
                .resolve(module, &import.segments, 0, hops + 1)
                .unwrap_or_else(|| module.clone());
        }
        imports
            .find_map(|import| {
                if import.imported.as_deref() != Some("*") {
                    return None;
                }
                let of = self.resolve(module, &import.segments, 0, hops + 1)?;
                self.modules[&of].defines.contains(item).then_some(of)
            })
            .unwrap_or_else(|| module.clone())
    }
}

impl Module {
    fn parse(file: &Path, text: &str) -> Self {
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut module = Self { file: file.to_owned(), ..Self::default() };
        module.visit(&tokens.into_iter().collect::<Vec<_>>(), 0);
        module
    }

    /// Takes what a sequence of tokens says of modules; leaves unit tests out.
    fn visit(&mut self, tokens: &[TokenTree], depth: usize) {
        let mut at = 0;
        let mut public = false;
        while at < tokens.len() {
            let rest = &tokens[at..];
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            at += match rest {
                [hash, TokenTree::Group(attribute), ..]
                    if is(hash, "#") && attribute.stream().to_string() == "cfg (test)" =>
                {
                    item_length(rest)
                }
                [word, TokenTree::Ident(name), end, ..] if is(word, "mod") => {
                    match end {
                        TokenTree::Group(body) => self.visit_inside(body.stream(), depth + 1),
                        _ if depth == 0 => drop(self.children.insert(name.to_string())),
                        _ => {}
                    }
                    3
                }
                [word, ..] if is(word, "use") && !before.is_some_and(|token| is(token, "+")) => {
                    let length = rest.iter().position(|token| is(token, ";")).unwrap_or(rest.len());
                    let tree = UseTree { line: line(word), depth, public };
                    tree.read(&rest[1..length], &[], &mut self.mentions);
                    length
                }
                [word, TokenTree::Ident(name), ..] if defines(word) => {
                    self.defines.insert(name.to_string());
                    self.names.insert(name.to_string());
                    2
                }
                [word, bang, TokenTree::Ident(name), ..]
                    if is(word, "macro_rules") && is(bang, "!") =>
                {
                    self.defines.insert(name.to_string());
                    3
                }
                [TokenTree::Ident(word), ..] => {
                    self.names.insert(word.to_string());
                    let inner = at >= 2 && is(&tokens[at - 1], ":") && is(&tokens[at - 2], ":");
                    let (segments, length) = path(rest);
                    self.names.extend(segments.iter().cloned());
                    if !inner && segments.len() > 1 {
                        let line = line(&rest[0]);
                        let (imported, public) = (None, false);
                        self.mentions.push(Mention { segments, line, depth, imported, public });
                    }
                    length
                }
                [TokenTree::Group(group), ..] => {
                    // The scope of `pub(crate)` is no end of it.
                    if !(public && group.delimiter() == Delimiter::Parenthesis) {
                        self.visit_inside(group.stream(), depth);
                    }
                    1
                }
                _ => 1,
            };
            let scope = matches!(
                &tokens[at - 1],
                TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis
            );
            public = is(&tokens[at - 1], "pub") || (public && scope);
        }
    }

    fn visit_inside(&mut self, tokens: TokenStream, depth: usize) {
        self.visit(&tokens.into_iter().collect::<Vec<_>>(), depth);
    }
}

/// A `use` declaration.
struct UseTree {
    line: usize,
    depth: usize,
    public: bool,
}

impl UseTree {
    /// Reads what comes after the segments in `before`, and after `use` at first.
    fn read(&self, tokens: &[TokenTree], before: &[String], into: &mut Vec<Mention>) {
        for branch in tokens.split(|token| is(token, ",")).filter(|branch| !branch.is_empty()) {
            let mut segments = before.to_owned();
            let mut name = None;
            let mut at = 0;
            while at < branch.len() {
                match &branch[at] {
                    TokenTree::Ident(word) if word == "as" => {
                        name = branch.get(at + 1).map(ToString::to_string);
                        at += 1;
                    }
                    TokenTree::Ident(word) => segments.push(word.to_string()),
                    TokenTree::Group(group) => {
                        let inner: Vec<_> = group.stream().into_iter().collect();
                        self.read(&inner, &segments, into);
                        name = Some(String::new());
                    }
                    token if is(token, "*") => name = Some("*".to_owned()),
                    _ => {}
                }
                at += 1;
            }
            if name.as_deref() == Some("") {
                continue;
            }
            // `use a::b::{self}` imports `a::b`.
            if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
                segments.pop();
            }
            let imported = name.or_else(|| segments.last().cloned());
            let Self { line, depth, public } = *self;
            let line = branch.first().map_or(line, self::line);
            into.push(Mention { segments, line, depth, imported, public });
        }
    }
}

fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(word) => word == text,
        TokenTree::Punct(sign) => text.len() == 1 && text.starts_with(sign.as_char()),
        _ => false,
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn defines(word: &TokenTree) -> bool {
    ["struct", "enum", "union", "trait", "fn", "type", "const", "static"]
        .iter()
        .any(|keyword| is(word, keyword))
}

/// How many tokens the item has that begins with these.
fn item_length(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is(token, ";"),
    };
    tokens.iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

/// The path that begins with these tokens, and how many of them it takes.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[0].to_string()];
    let mut length = 1;
    while let [first, second, TokenTree::Ident(segment), ..] = &tokens[length..] {
        if !(is(first, ":") && is(second, ":")) {
            break;
        }
        segments.push(segment.to_string());
        length += 3;
    }
    (segments, length)
}

//! The report of a review, in the forms in which reviewers read it.

mod github;
mod html;
mod markdown;
mod parts;

use clap::ValueEnum;

pub use self::parts::Report;

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Markdown, for a terminal, a summary or a comment.
    #[default]
    Markdown,
    /// One HTML page that needs nothing else.
    Html,
    /// Workflow commands of GitHub, which annotate the changed lines of the committed documents.
    Github,
}

impl Report<'_> {
    /// The report in a form.
    ///
    /// # Panics
    /// Never: writing to a string cannot fail.
    #[must_use]
    pub fn in_format(&self, format: Format) -> String {
        let mut text = String::new();
        match format {
            Format::Markdown => markdown::write(&mut text, self),
            Format::Html => html::write(&mut text, self),
            Format::Github => github::write(&mut text, self),
        }
        .expect("writing to a string cannot fail");
        text
    }
}

//! The field that tells the kinds of frames and events apart.

/// Defines the type of such a field: an enum with one value, and that value as text in `TEXT`.
macro_rules! kind {
    ($(#[doc = $doc:literal])+ $name:ident $value:ident $text:literal) => {
        $(#[doc = $doc])+
        #[derive(
            Debug,
            Clone,
            Copy,
            Default,
            PartialEq,
            Eq,
            serde::Serialize,
            serde::Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            #[doc = concat!("`", $text, "`")]
            #[default]
            $value,
        }

        impl $name {
            /// The value in JSON.
            pub const TEXT: &str = $text;
        }
    };
}

pub(crate) use kind;

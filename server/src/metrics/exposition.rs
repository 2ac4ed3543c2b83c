//! The two text forms of the metrics: OpenMetrics, and the older one of Prometheus.

use std::fmt;

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

/// A text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus.
    Text,
}

impl Form {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The form that an `Accept` header asks for: the older one where it is preferred. Without a
    /// preference it is `OpenMetrics`.
    #[must_use]
    pub fn preferred(accept: &str) -> Self {
        let quality = |kind: &str, subtype: &str| {
            let named = [format!("{kind}/{subtype}"), format!("{kind}/*"), "*/*".to_owned()];
            let qualities = |name: &String| {
                let ranges = accept.split(',').map(Range::read);
                let ranges = ranges.filter(|range| range.name.eq_ignore_ascii_case(name));
                ranges.map(|range| range.quality).reduce(f32::max)
            };
            // What is named more exactly decides.
            named.iter().find_map(qualities).unwrap_or_default()
        };
        if quality("text", "plain") > quality("application", "openmetrics-text") {
            Self::Text
        } else {
            Self::OpenMetrics
        }
    }
}

/// A media range of an `Accept` header.
struct Range<'a> {
    name: &'a str,
    quality: f32,
}

impl<'a> Range<'a> {
    fn read(range: &'a str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        Self { name, quality: quality.unwrap_or(1.0) }
    }
}

/// The metrics of all registries in one form.
pub fn exposition(registries: &[&Registry], form: Form) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for registry in registries {
        encode_registry(&mut text, registry)?;
    }
    match form {
        Form::OpenMetrics => encode_eof(&mut text)?,
        Form::Text => text = older(&text),
    }
    Ok(text)
}

/// The older form of an `OpenMetrics` text. There the `_total` of a counter and the `_info` of an info
/// belong to the name, a type `info` is unknown, and units and the end are not written.
fn older(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut help = "";
    for line in text.lines() {
        let words = line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>());
        match words.as_deref() {
            // Its name depends on the type, which comes next.
            Some(["HELP", _, words]) => help = words,
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                for part in
                    ["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"]
                {
                    written.push_str(part);
                }
            }
            Some(_) => {}
            None => {
                written.push_str(line);
                written.push('\n');
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::{counter::Counter, info::Info};

    use super::*;

    #[test]
    fn openmetrics_is_the_form_unless_another_is_preferred() {
        let prometheus = "application/openmetrics-text;version=1.0.0,\
                          application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in [
            prometheus,
            "",
            "*/*",
            "text/html,*/*;q=0.8",
            "application/json",
            "text/plain;q=0.5, application/*",
            "text/plain;q=0",
            "text/plain, application/openmetrics-text",
        ] {
            assert_eq!(Form::preferred(accept), Form::OpenMetrics, "{accept}");
        }
        for accept in [
            "text/plain",
            "text/plain;version=0.0.4",
            "Text/Plain; version=0.0.4; q=0.3, */*; q=0.1",
            "text/*",
            "application/openmetrics-text;q=0.2,text/plain;q=0.5",
        ] {
            assert_eq!(Form::preferred(accept), Form::Text, "{accept}");
        }
    }

    #[test]
    fn the_older_form_has_suffixes_in_its_names() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        counter.inc();
        registry.register("seen", "How many # were seen", counter);
        registry.register("build", "What runs", Info::new(vec![("version", "1")]));
        let text = exposition(&[&registry], Form::Text).expect("written");
        let expected = "# HELP seen_total How many # were seen.\n# TYPE seen_total counter\nseen_total 1\n\
                        # HELP build_info What runs.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n";
        assert_eq!(text, expected);
    }
}

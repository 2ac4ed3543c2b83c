//! A line of text, as tracing writes it where there are no colours and no spans, at half the cost.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::FormatTime,
    },
    registry::LookupSpan,
};

/// The target of what libraries log through the crate `log`: their own targets are among the fields.
const FOREIGN: &str = "log";

/// Writes `time level target: fields`.
pub struct PlainText<T> {
    timer: T,
    foreign: Format<Full, T>,
}

impl<T: Copy> PlainText<T> {
    /// Lines with the time of `timer`.
    pub fn new(timer: T) -> Self {
        Self { timer, foreign: Format::default().with_timer(timer).with_ansi(false) }
    }
}

impl<S, N, T> FormatEvent<S, N> for PlainText<T>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    T: FormatTime,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if metadata.target() == FOREIGN {
            return self.foreign.format_event(context, writer, event);
        }
        self.timer.format_time(&mut writer)?;
        writer.write_str(match *metadata.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        })?;
        writer.write_str(metadata.target())?;
        writer.write_str(": ")?;
        context.format_fields(writer.by_ref(), event)?;
        writer.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing::subscriber::with_default;
    use tracing_subscriber::filter::LevelFilter;

    use super::{super::fields::PlainFields, *};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Copy)]
    struct Noon;

    impl FormatTime for Noon {
        fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
            writer.write_str("noon")
        }
    }

    fn log() {
        let (none, some) = (None::<&str>, Some("a\tb\"c\\d"));
        tracing::info!(text = "plain text", none, some, number = 7, shown = %"as it is", "said");
        tracing::info!(empty = "", ratio = 0.5, yes = true, r#type = ?some, "unicode: \u{e9}");
        tracing::info!(only = "fields", most = u64::MAX, least = i64::MIN);
        tracing::error!("1");
        tracing::warn!("2");
        tracing::debug!("3");
        tracing::trace!(target: "of::another", "4");
    }

    #[test]
    fn lines_are_written_as_tracing_writes_them_without_colours() {
        let [ours, theirs] = [Written::default(), Written::default()];
        let format =
            || tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
        let writer = ours.clone();
        let plain = format().event_format(PlainText::new(Noon)).fmt_fields(PlainFields);
        with_default(plain.with_writer(move || writer.clone()).finish(), log);
        let writer = theirs.clone();
        let full = format().with_timer(Noon).with_writer(move || writer.clone());
        with_default(full.finish(), log);
        assert_eq!(ours.text(), theirs.text());
    }
}

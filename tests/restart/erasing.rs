//! Devices are erased under load while the gateway is killed many times.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::json;
use tests::{
    Bookkeeper, Event, Gateway, Load, Operator, Prospect, Service, gateway::eventually, tools::run,
};
use tungstenite::Message;

use super::{KEY, free_port, journaled_at};

const KILLS: u64 = 8;

/// What the names of the devices begin with that are erased, and of those that are not. The name of a
/// device is in everything that it says.
const ERASED: &str = "erase-me-";
const KEPT: &str = "keep-me-";

/// Messages that wait for each device that is not erased.
const WAITING: u64 = 2;

/// An operator who makes devices known and erases every second one.
#[derive(Clone)]
struct Eraser {
    service: Service,
    /// How many devices were erased, each answered with 204, in the order of their numbers.
    erased: Arc<Mutex<usize>>,
    is_over: Arc<AtomicBool>,
}

impl Eraser {
    fn erased(&self) -> usize {
        *self.erased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until it is over; returns the number of devices that were not erased.
    fn run(&self) -> usize {
        let mut kept = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            self.erase_one();
            self.keep(&format!("{KEPT}{kept}"));
            kept += 1;
        }
        kept
    }

    /// A device says a lot and gets a message, and is erased.
    fn erase_one(&self) {
        let number = self.erased();
        let device = format!("{ERASED}{number}");
        let token = self.claim(&device);
        let mut socket = self.service.open_socket(&token, &device);
        self.queue(&device, 1);
        for message in 0..5 {
            let id = format!("{device}-{message}");
            let data = format!("{device} ").repeat(200);
            let frame = json!({"type": "message", "id": id, "data": data}).to_string();
            // A message that is lost with the gateway needs no erasing.
            let _ = socket.send(Message::text(frame));
        }
        let path = format!("/operator/prospects/{device}/data");
        self.service.repeat_until(204, || self.service.operator_call("DELETE", &path));
        *self.erased.lock().unwrap_or_else(PoisonError::into_inner) = number + 1;
    }

    fn keep(&self, device: &str) {
        let _ = self.claim(device);
        for message in 0..WAITING {
            self.queue(device, message);
        }
    }

    fn claim(&self, device: &str) -> String {
        let body =
            json!({"channel": "browser", "deviceTag": device, "deviceData": {"name": device}});
        // A claim whose answer was lost is repeated.
        let key = format!("{device}-{}", "x".repeat(32));
        let call = || self.service.call("PUT", "/token").header("idempotency-key", &key);
        self.service.repeat_until(200, || call().json(&body)).token()
    }

    fn queue(&self, device: &str, message: u64) {
        let path = format!("/operator/prospects/{device}/messages");
        let key = format!("{device}-{message}");
        self.service.repeat_until(202, || {
            let call = self.service.operator_call("POST", &path).header("idempotency-key", &key);
            call.json(&json!({"data": format!("to {device}")}))
        });
    }
}

/// Every event that is kept, up to the socket of a device that only this opens.
fn all_events(gateway: &Gateway, device: &str) -> Vec<Event> {
    let last = Prospect::open_with(gateway, &gateway.claim(device), device);
    let connection = last.connection();
    Operator::of(gateway).events_after("0").until(|event| event.connection() == connection)
}

/// What was answered as erased is not there.
fn assert_erased(gateway: &Gateway, erased: usize, probe: &str) {
    let operator = Operator::of(gateway);
    for number in erased.saturating_sub(20)..erased {
        assert_eq!(operator.prospect(&format!("{ERASED}{number}")).status, 404, "{number}");
    }
    for event in all_events(gateway, probe) {
        let device = event.device();
        let number = device.strip_prefix(ERASED).map(|it| it.parse::<usize>().expect("a number"));
        assert!(number.is_none_or(|number| number >= erased), "{erased} are erased: {event:?}");
    }
}

/// In how many files of the folder a text is. The log is read before the database, to which it moves
/// meanwhile.
fn files_with(text: &str, folder: &Path) -> usize {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|it| it.expect("a file").path()).collect();
    files.sort_by(|one, other| other.cmp(one));
    let found = run(Command::new("grep").args(["-lF", "--", text]).args(files), "");
    String::from_utf8_lossy(&found.stdout).lines().count()
}

#[test]
fn what_was_erased_stays_erased_when_the_gateway_is_killed_many_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let start = || journaled_at(port, folder.path()).start();
    let mut gateway = start();
    let load = Load { erasures: true, ..Load::RESTARTS };
    let bookkeeper = Bookkeeper::start(gateway.authority(), KEY, load);
    let eraser = Eraser {
        service: Service::at(gateway.authority(), KEY),
        erased: Arc::default(),
        is_over: Arc::default(),
    };
    let worker = eraser.clone();
    let worker = thread::spawn(move || worker.run());
    for kill in 1..=KILLS {
        bookkeeper.progress_to(kill * 90 / KILLS);
        gateway.signal("KILL");
        gateway.ended();
        let answered = eraser.erased();
        gateway = start();
        assert_erased(&gateway, answered, &format!("probe-{kill}"));
    }
    eraser.is_over.store(true, Ordering::Relaxed);
    let kept = worker.join().expect("it erases to the end");
    // The messages of all others have arrived, once and in order, and no reader saw a gap.
    let _sockets = bookkeeper.finish();

    // The compaction after the last erasure does not end before the kill.
    eraser.erase_one();
    gateway.signal("KILL");
    gateway.ended();
    let gateway = start();
    assert!(eraser.erased() > 8, "{} are too few", eraser.erased());
    assert_erased(&gateway, eraser.erased(), "probe");
    for number in 0..kept {
        let device = format!("{KEPT}{number}");
        let state = Operator::of(&gateway).prospect(&device).ok();
        assert_eq!(state["unacknowledged"], WAITING, "{state}");
        assert_eq!(state["deviceData"]["name"], device, "{state}");
    }
    eventually("no file has what was erased", || files_with(ERASED, folder.path()) == 0);
    assert!(files_with(KEPT, folder.path()) > 0);
}

//! Sends the reports of an action to Terraform, not more often than a user can read them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::cluster::report::Report;
use crate::schema::provider::EventSink;

/// The shortest time between two messages about the state or a log.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs the work, and sends its reports while it runs. Sends those of its last moments after it.
pub async fn report<T>(
    work: impl Future<Output = T>,
    mut reports: UnboundedReceiver<Report>,
    sink: &dyn EventSink<String>,
) -> T {
    let mut limiter = Limiter::default();
    let mut work = std::pin::pin!(work);
    let result = loop {
        // A client that has left does not stop the work.
        for message in limiter.due(Instant::now()) {
            sink.send(message).await.ok();
        }
        let next = limiter.next();
        tokio::select! {
            biased;
            Some(report) = reports.recv() => limiter.push(report),
            () = sleep_until(next) => {}
            result = &mut work => break result,
        }
    };
    while let Ok(report) = reports.try_recv() {
        limiter.push(report);
    }
    for message in limiter.rest() {
        sink.send(message).await.ok();
    }
    result
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The reports that are not sent yet. Each step is sent, at once. Of states and log lines only the newest are.
#[derive(Default)]
struct Limiter {
    steps: VecDeque<String>,
    status: Option<String>,
    log: Option<Vec<String>>,
    /// The earliest time of the next message about the state or a log.
    earliest: Option<Instant>,
}

impl Limiter {
    fn push(&mut self, report: Report) {
        match report {
            Report::Step(text) => {
                // The state belongs to the step before.
                self.status = None;
                self.steps.push_back(text);
            }
            Report::Status(text) => self.status = Some(text),
            Report::Log(lines) => self.log = Some(lines),
        }
    }

    fn steps(&mut self) -> Vec<String> {
        self.steps.drain(..).collect()
    }

    /// Returns the messages to send when the work has ended. A state of it no longer matters.
    fn rest(&mut self) -> Vec<String> {
        let log = self.log_lines();
        [log, self.steps()].concat()
    }

    fn log_lines(&mut self) -> Vec<String> {
        let lines = self.log.take().into_iter().flatten();
        lines.map(|line| format!("| {line}")).collect()
    }

    /// Returns the messages to send at this time.
    fn due(&mut self, now: Instant) -> Vec<String> {
        let mut messages = self.steps();
        if self.earliest.is_none_or(|earliest| earliest <= now) {
            messages.extend(self.status.take());
            messages.extend(self.log_lines());
        }
        if !messages.is_empty() {
            self.earliest = Some(now + INTERVAL);
        }
        messages
    }

    /// Returns the time at which a message is due; `None` if there is none.
    fn next(&self) -> Option<Instant> {
        (self.status.is_some() || self.log.is_some())
            .then_some(self.earliest)
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_steps_at_once_and_the_newest_state_at_intervals() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut limiter = Limiter::default();
        assert_eq!(limiter.due(start), [""; 0]);
        limiter.push(Report::Step("a".into()));
        assert_eq!(
            (limiter.due(start), limiter.next()),
            (vec!["a".into()], None)
        );
        limiter.push(Report::Status("0 of 2".into()));
        limiter.push(Report::Status("1 of 2".into()));
        limiter.push(Report::Log(vec!["x".into(), "y".into()]));
        assert_eq!(limiter.due(at(1999)), [""; 0]);
        assert_eq!(limiter.next(), Some(at(2000)));
        assert_eq!(limiter.due(at(2000)), ["1 of 2", "| x", "| y"]);
        limiter.push(Report::Status("2 of 2".into()));
        limiter.push(Report::Step("b".into()));
        assert_eq!(limiter.due(at(2001)), ["b"]);
        assert_eq!(limiter.next(), None);
        limiter.push(Report::Status("3 of 3".into()));
        limiter.push(Report::Step("c".into()));
        limiter.push(Report::Log(vec!["z".into()]));
        assert_eq!(limiter.rest(), ["| z", "c"]);
    }
}

//! The clock of the API server, for times that several clients compare.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Cluster;

/// The header `Date` of the last response, and the time of its arrival.
#[derive(Default)]
pub(super) struct Clock(Mutex<Option<(i64, Instant)>>);

impl Clock {
    /// Sets the clock from the headers of a response.
    pub fn note(&self, headers: &HeaderMap) {
        if let Some(date) = date(headers) {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some((date, Instant::now()));
        }
    }

    fn now(&self) -> i64 {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some((date, arrived)) => date.saturating_add(seconds(arrived.elapsed().as_secs())),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                seconds(since.unwrap_or_default().as_secs())
            }
        }
    }
}

impl Cluster {
    /// Returns the Unix time in seconds by the clock of the API server; by the local clock before the first response,
    /// and where responses carry no `Date`.
    pub fn now(&self) -> i64 {
        self.inner.clock.now()
    }

    /// Returns the time of [`Cluster::now`] in UTC as RFC 3339 writes it.
    pub fn now_rfc3339(&self) -> String {
        let now = Timestamp::from_second(self.now());
        now.unwrap_or_default().to_string()
    }
}

/// Formats a time as RFC 3339 does, with a precision of one second.
pub(super) fn format_time(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .map_or_else(|_| time.to_string(), |time| time.to_string())
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(timestamp.as_second())
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn follows_the_date_of_the_last_response() {
        let clock = Clock::default();
        let local = clock.now();
        assert!(local > 1_700_000_000, "{local}");
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Thu, 01 Jan 1970 00:16:40 GMT"),
        );
        clock.note(&headers);
        let now = clock.now();
        assert!((1000..1060).contains(&now), "{now}");
        headers.insert(DATE, HeaderValue::from_static("soon"));
        clock.note(&headers);
        assert!((1000..1060).contains(&clock.now()));
    }
}

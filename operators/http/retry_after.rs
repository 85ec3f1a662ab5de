//! How long a server asks its callers to stay away.

use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;

/// In the order in which they are believed: some gateways pass on their server's wish under a name of their own.
const NAMES: [&str; 2] = ["retry-after", "llm_provider-retry-after"];

/// Seconds, whole or broken, or an HTTP date (RFC 9110, 10.2.3); `None` where neither stands there. A date in the past
/// asks for no pause.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = headers.get("retry-after-ms").and_then(|value| value.to_str().ok());
    if let Some(pause) = milliseconds.and_then(|text| seconds(text, 1e-3)) {
        return Some(pause);
    }
    NAMES.iter().find_map(|name| {
        let text = headers.get(*name)?.to_str().ok()?.trim();
        seconds(text, 1.0).or_else(|| {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(now).unwrap_or(Duration::ZERO))
        })
    })
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header"));
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770))
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else_is() {
        assert_eq!(of("retry-after", "60"), Some(Duration::from_secs(60)));
        assert_eq!(of("retry-after", " 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(of("retry-after-ms", "20"), Some(Duration::from_millis(20)));
        assert_eq!(of("llm_provider-retry-after", "60"), Some(Duration::from_secs(60)));
        // The date of RFC 9110, 5.6.7, in its three forms.
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(of("retry-after", date), Some(Duration::from_secs(7)), "{date}");
        }
        assert_eq!(of("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for nothing in ["", "soon", "-5", "NaN", "inf", "1e300"] {
            assert_eq!(of("retry-after", nothing), None, "{nothing}");
        }
        assert_eq!(of("x-retry-after", "60"), None);
    }
}

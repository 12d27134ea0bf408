//! Modes of the files in a volume: octal numbers in every manual, decimal numbers in Terraform.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume};

use super::Violation;
use crate::schema::Path;

const MAX_FILE_MODE: i32 = 0o777;
/// The mode of an `empty_dir`, a directory that can have the sticky bit.
const MAX_DIRECTORY_MODE: i32 = 0o1777;

/// Modes in common use. Other modes are taken for decimal digits that were meant as octal.
const COMMON_MODES: [i32; 20] = [
    0o400, 0o440, 0o444, 0o500, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o700,
    0o711, 0o750, 0o755, 0o770, 0o775, 0o777, 0o1777,
];

struct Mode {
    path: Path,
    value: i32,
    max: i32,
}

/// Returns a violation for each number of a volume that is not a mode.
pub fn out_of_range(volume: &Volume) -> Vec<Violation> {
    let modes = modes(volume).into_iter();
    let invalid = modes.filter(|mode| !(0..=mode.max).contains(&mode.value));
    invalid
        .map(|Mode { path, value, max }| {
            let hint = match digits_as_octal(value).filter(|meant| *meant <= max) {
                Some(meant) => format!(
                    " Terraform reads every number as decimal. For {}, set {meant} or `parseint(\"{value}\", 8)`.",
                    octal(meant)
                ),
                None => String::new(),
            };
            Violation::at(
                path,
                format!("{value} is not a valid file mode"),
                format!(
                    "A mode is a number from 0 to {max} ({} in octal).{hint}",
                    octal(max)
                ),
            )
        })
        .collect()
}

/// Returns a warning for each valid mode, such as 400, whose digits were probably meant as octal.
pub fn decimal_digits(volume: &Volume) -> Vec<Violation> {
    let modes = modes(volume).into_iter();
    modes
        .filter_map(|Mode { path, value, max }| {
            let meant = digits_as_octal(value).filter(|meant| COMMON_MODES.contains(meant))?;
            let is_valid = (0..=max).contains(&value) && meant <= max;
            (is_valid && !COMMON_MODES.contains(&value)).then(|| {
                Violation::at(
                    path,
                    format!("The mode {value} is {} in octal", octal(value)),
                    format!(
                        "Terraform reads every number as decimal, even with a leading zero. For {}, set {meant} or \
                         `parseint(\"{value}\", 8)`.",
                        octal(meant)
                    ),
                )
            })
        })
        .collect()
}

/// Reads the decimal digits of a number as an octal number.
fn digits_as_octal(value: i32) -> Option<i32> {
    i32::from_str_radix(&value.to_string(), 8)
        .ok()
        .filter(|_| value >= 100)
}

/// Formats a mode as manuals do: `0644`.
fn octal(mode: i32) -> String {
    format!("0{mode:03o}")
}

/// Returns every mode of a volume.
fn modes(volume: &Volume) -> Vec<Mode> {
    let mut modes = Vec::new();
    let mut add = |path: Path, value: Option<i32>, max: i32| {
        modes.extend(value.map(|value| Mode { path, value, max }));
    };
    if let Some(it) = &volume.config_map {
        let path = Path::of("config_map");
        add(
            path.attribute("default_mode"),
            it.default_mode,
            MAX_FILE_MODE,
        );
        add_items(&path, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.secret {
        let path = Path::of("secret");
        add(
            path.attribute("default_mode"),
            it.default_mode,
            MAX_FILE_MODE,
        );
        add_items(&path, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.downward_api {
        let path = Path::of("downward_api");
        add(
            path.attribute("default_mode"),
            it.default_mode,
            MAX_FILE_MODE,
        );
        add_items(&path, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.empty_dir {
        add(Path::of("empty_dir.mode"), it.mode, MAX_DIRECTORY_MODE);
    }
    if let Some(it) = &volume.projected {
        let path = Path::of("projected");
        add(
            path.attribute("default_mode"),
            it.default_mode,
            MAX_FILE_MODE,
        );
        for (index, source) in it.sources.iter().flatten().enumerate() {
            let path = path.attribute("sources").index(index);
            if let Some(it) = &source.config_map {
                add_items(&path.attribute("config_map"), it.items.as_deref(), &mut add);
            }
            if let Some(it) = &source.secret {
                add_items(&path.attribute("secret"), it.items.as_deref(), &mut add);
            }
            if let Some(it) = &source.downward_api {
                add_items(
                    &path.attribute("downward_api"),
                    it.items.as_deref(),
                    &mut add,
                );
            }
        }
    }
    modes
}

/// A file of a volume that can have its own mode.
trait Item {
    fn mode(&self) -> Option<i32>;
}

impl Item for KeyToPath {
    fn mode(&self) -> Option<i32> {
        self.mode
    }
}

impl Item for DownwardAPIVolumeFile {
    fn mode(&self) -> Option<i32> {
        self.mode
    }
}

fn add_items<T: Item>(
    path: &Path,
    items: Option<&[T]>,
    add: &mut impl FnMut(Path, Option<i32>, i32),
) {
    let list = path.attribute("items");
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        add(
            list.index(index).attribute("mode"),
            item.mode(),
            MAX_FILE_MODE,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::validation::testing::check;

    type Validate = fn(&Volume) -> Vec<Violation>;

    /// Asserts that every place of a volume where a mode can be has this summary, or none.
    fn check_everywhere(validate: Validate, mode: i32, summary: Option<&str>) {
        let item = json!([{"key": "k", "path": "p", "mode": mode}]);
        let field =
            json!([{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}, "mode": mode}]);
        let cases: [(Json, &[&str]); 4] = [
            (
                json!({"name": "a", "configMap": {"name": "c", "defaultMode": mode, "items": item}}),
                &["config_map.default_mode", "config_map.items[0].mode"],
            ),
            (
                json!({"name": "b", "secret": {"secretName": "s", "defaultMode": mode, "items": item}}),
                &["secret.default_mode", "secret.items[0].mode"],
            ),
            (
                json!({"name": "c", "downwardAPI": {"defaultMode": mode, "items": field}}),
                &["downward_api.default_mode", "downward_api.items[0].mode"],
            ),
            (
                json!({"name": "d", "projected": {"defaultMode": mode, "sources": [
                    {"configMap": {"name": "c", "items": item}},
                    {"secret": {"name": "s", "items": item}},
                    {"downwardAPI": {"items": field}},
                ]}}),
                &[
                    "projected.default_mode",
                    "projected.sources[0].config_map.items[0].mode",
                    "projected.sources[1].secret.items[0].mode",
                    "projected.sources[2].downward_api.items[0].mode",
                ],
            ),
        ];
        for (volume, paths) in cases {
            let expected = paths.iter().filter_map(|path| Some((*path, summary?)));
            check(&volume, validate, &expected.collect::<Vec<_>>());
        }
    }

    fn directory(mode: i32) -> Json {
        json!({"name": "a", "emptyDir": {"mode": mode}})
    }

    #[test]
    fn rejects_numbers_that_are_not_modes() {
        for mode in [644, 600, 755, 777, 512, -1] {
            let summary = format!("{mode} is not a valid file mode");
            check_everywhere(out_of_range, mode, Some(&summary));
        }
        for mode in [0, 256, 292, 420, 493, 511] {
            check_everywhere(out_of_range, mode, None);
        }
        check(&directory(1023), out_of_range, &[]);
        check(
            &directory(1777),
            out_of_range,
            &[("empty_dir.mode", "1777 is not a valid file mode")],
        );
    }

    #[test]
    fn details_suggest_the_octal_mode() {
        let details = |volume: Json| -> Vec<String> {
            let volume = serde_json::from_value(volume).unwrap();
            let violations = out_of_range(&volume).into_iter();
            let violations = violations.chain(decimal_digits(&volume));
            violations.map(|violation| violation.detail).collect()
        };
        let secret = |mode: i32| {
            details(json!({"name": "a", "secret": {"secretName": "s", "defaultMode": mode}}))
        };
        let range = "A mode is a number from 0 to 511 (0777 in octal).";
        let decimal = "Terraform reads every number as decimal";
        assert_eq!(
            secret(644),
            [format!(
                "{range} {decimal}. For 0644, set 420 or `parseint(\"644\", 8)`."
            )]
        );
        for mode in [-1, 512, 888, 1000] {
            assert_eq!(secret(mode)[0].split(" Terraform").next(), Some(range));
        }
        assert_eq!(secret(-1), [range]);
        assert_eq!(
            secret(400),
            [format!(
                "{decimal}, even with a leading zero. For 0400, set 256 or `parseint(\"400\", 8)`."
            )]
        );
        assert_eq!(
            details(directory(1777)),
            [format!(
                "A mode is a number from 0 to 1023 (01777 in octal). {decimal}. For 01777, set 1023 or \
                 `parseint(\"1777\", 8)`."
            )]
        );
    }

    #[test]
    fn warns_about_digits_that_look_octal() {
        for (mode, octal) in [(400, "0620"), (440, "0670"), (444, "0674"), (500, "0764")] {
            let summary = format!("The mode {mode} is {octal} in octal");
            check_everywhere(decimal_digits, mode, Some(&summary));
        }
        // 256 is 0400, 420 is 0644, 416 is 0640, 511 is 0777.
        for mode in [0, 256, 292, 420, 416, 493, 511, 100] {
            check_everywhere(decimal_digits, mode, None);
        }
        check(
            &directory(755),
            decimal_digits,
            &[("empty_dir.mode", "The mode 755 is 01363 in octal")],
        );
        check(&directory(1023), decimal_digits, &[]);
    }
}

//! Modes of files: octal numbers in every manual, decimal numbers in Terraform.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath};

use super::Violation;
use super::accessors::services;
use crate::feast::config::{FeatureStore, Volume};
use crate::schema::Path;

/// The greatest mode of a file, and of a directory of memory or disk (`empty_dir`), which can have the sticky bit.
const FILE: i32 = 0o777;
const DIRECTORY: i32 = 0o1777;

/// Modes that somebody wants. The others that are given are taken for decimal digits that were meant as octal.
const USUAL: [i32; 20] = [
    0o400, 0o440, 0o444, 0o500, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o700,
    0o711, 0o750, 0o755, 0o770, 0o775, 0o777, 0o1777,
];

/// A mode as it is written, and the greatest that it can be.
struct Mode {
    at: Path,
    value: i32,
    most: i32,
}

pub(super) fn bounds(store: &FeatureStore) -> Vec<Violation> {
    let modes = modes(store).into_iter();
    let wrong = modes.filter(|mode| !(0..=mode.most).contains(&mode.value));
    wrong
        .map(|Mode { at, value, most }| {
            let instead = match as_octal(value).filter(|meant| *meant <= most) {
                Some(meant) => format!(
                    " Terraform reads every number as decimal: for {} write {meant} or `parseint(\"{value}\", 8)`.",
                    octal(meant)
                ),
                None => String::new(),
            };
            Violation::new(
                at.clone(),
                [at],
                format!("{value} is not a file mode"),
                format!(
                    "A mode is a number from 0 to {most} ({} in octal).{instead}",
                    octal(most)
                ),
            )
        })
        .collect()
}

/// Digits such as 400 that are a valid mode, but hardly the one that was meant.
pub(super) fn decimal(store: &FeatureStore) -> Vec<Violation> {
    let modes = modes(store).into_iter();
    modes
        .filter_map(|Mode { at, value, most }| {
            let meant = as_octal(value).filter(|meant| USUAL.contains(meant))?;
            let valid = (0..=most).contains(&value) && meant <= most;
            (valid && !USUAL.contains(&value)).then(|| {
                Violation::new(
                    at.clone(),
                    [at],
                    format!("The mode {value} is {} in octal", octal(value)),
                    format!(
                        "Terraform reads every number as decimal, with a leading zero too. If you mean {}, write \
                         {meant} or `parseint(\"{value}\", 8)`.",
                        octal(meant)
                    ),
                )
            })
        })
        .collect()
}

/// The number that the decimal digits are in octal.
fn as_octal(value: i32) -> Option<i32> {
    i32::from_str_radix(&value.to_string(), 8)
        .ok()
        .filter(|_| value >= 100)
}

/// As manuals write a mode: `0644`.
fn octal(mode: i32) -> String {
    format!("0{mode:03o}")
}

/// Every mode of the configuration.
fn modes(store: &FeatureStore) -> Vec<Mode> {
    let volumes = services(store)
        .and_then(|it| it.volumes.as_deref())
        .unwrap_or_default();
    let list = Path::of("services.volumes");
    (volumes.iter().enumerate())
        .flat_map(|(index, volume)| of_volume(&list.index(index), volume))
        .collect()
}

fn of_volume(path: &Path, volume: &Volume) -> Vec<Mode> {
    let mut found = Vec::new();
    let mut add = |at: Path, value: Option<i32>, most: i32| {
        found.extend(value.map(|value| Mode { at, value, most }));
    };
    if let Some(it) = &volume.config_map {
        let at = path.attribute("config_map");
        add(at.attribute("default_mode"), it.default_mode, FILE);
        keys(&at, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.secret {
        let at = path.attribute("secret");
        add(at.attribute("default_mode"), it.default_mode, FILE);
        keys(&at, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.downward_api {
        let at = path.attribute("downward_api");
        add(at.attribute("default_mode"), it.default_mode, FILE);
        facts(&at, it.items.as_deref(), &mut add);
    }
    if let Some(it) = &volume.empty_dir {
        add(path.attribute("empty_dir.mode"), it.mode, DIRECTORY);
    }
    if let Some(it) = &volume.projected {
        let at = path.attribute("projected");
        add(at.attribute("default_mode"), it.default_mode, FILE);
        for (index, source) in it.sources.iter().flatten().enumerate() {
            let at = at.attribute("sources").index(index);
            if let Some(it) = &source.config_map {
                keys(&at.attribute("config_map"), it.items.as_deref(), &mut add);
            }
            if let Some(it) = &source.secret {
                keys(&at.attribute("secret"), it.items.as_deref(), &mut add);
            }
            if let Some(it) = &source.downward_api {
                facts(&at.attribute("downward_api"), it.items.as_deref(), &mut add);
            }
        }
    }
    found
}

fn keys(at: &Path, items: Option<&[KeyToPath]>, add: &mut impl FnMut(Path, Option<i32>, i32)) {
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        add(
            at.attribute("items").index(index).attribute("mode"),
            item.mode,
            FILE,
        );
    }
}

fn facts(
    at: &Path,
    items: Option<&[DownwardAPIVolumeFile]>,
    add: &mut impl FnMut(Path, Option<i32>, i32),
) {
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        add(
            at.attribute("items").index(index).attribute("mode"),
            item.mode,
            FILE,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::{advised, refused};

    /// One volume for each place where a mode can be.
    fn everywhere(mode: i32) -> (Json, Vec<String>) {
        let item = json!([{"key": "k", "path": "p", "mode": mode}]);
        let fact = json!([{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}, "mode": mode}]);
        let volumes = json!([
            {"name": "a", "configMap": {"name": "c", "defaultMode": mode, "items": item}},
            {"name": "b", "secret": {"secretName": "s", "defaultMode": mode, "items": item}},
            {"name": "c", "downwardAPI": {"defaultMode": mode, "items": fact}},
            {"name": "d", "projected": {"defaultMode": mode, "sources": [
                {"configMap": {"name": "c", "items": item}},
                {"secret": {"name": "s", "items": item}},
                {"downwardAPI": {"items": fact}},
            ]}},
        ]);
        let places = [
            "[0].config_map.default_mode",
            "[0].config_map.items[0].mode",
            "[1].secret.default_mode",
            "[1].secret.items[0].mode",
            "[2].downward_api.default_mode",
            "[2].downward_api.items[0].mode",
            "[3].projected.default_mode",
            "[3].projected.sources[0].config_map.items[0].mode",
            "[3].projected.sources[1].secret.items[0].mode",
            "[3].projected.sources[2].downward_api.items[0].mode",
        ];
        let places = places.map(|place| format!("services.volumes{place}"));
        (json!({"volumes": volumes}), places.into())
    }

    fn directory(mode: i32) -> Json {
        json!({"volumes": [{"name": "a", "emptyDir": {"mode": mode}}]})
    }

    #[test]
    fn rejects_numbers_that_are_no_mode() {
        for mode in [644, 600, 755, 777, 512, -1] {
            let (services, places) = everywhere(mode);
            let summary = format!("{mode} is not a file mode");
            let expected: Vec<_> = places
                .iter()
                .map(|at| (at.as_str(), summary.as_str()))
                .collect();
            refused("file-modes", services, &expected);
        }
        for mode in [0, 256, 292, 420, 493, 511] {
            refused("file-modes", everywhere(mode).0, &[]);
        }
        refused("file-modes", directory(1023), &[]);
        let at = "services.volumes[0].empty_dir.mode";
        refused(
            "file-modes",
            directory(1777),
            &[(at, "1777 is not a file mode")],
        );
    }

    #[test]
    fn says_what_was_meant() {
        let details = |services: Json| -> Vec<String> {
            let store = json!({"name": "demo", "feastProject": "p", "services": services});
            let store = serde_json::from_value(store).unwrap();
            let found = super::bounds(&store)
                .into_iter()
                .chain(super::decimal(&store));
            found.map(|violation| violation.detail).collect()
        };
        let secret = |mode: i32| {
            details(
                json!({"volumes": [{"name": "a", "secret": {"secretName": "s", "defaultMode": mode}}]}),
            )
        };
        let range = "A mode is a number from 0 to 511 (0777 in octal).";
        let decimal = "Terraform reads every number as decimal";
        assert_eq!(
            secret(644),
            [format!(
                "{range} {decimal}: for 0644 write 420 or `parseint(\"644\", 8)`."
            )]
        );
        for mode in [-1, 512, 888, 1000] {
            assert_eq!(secret(mode)[0].split(" Terraform").next(), Some(range));
        }
        assert_eq!(secret(-1), [range]);
        assert_eq!(
            secret(400),
            [format!(
                "{decimal}, with a leading zero too. If you mean 0400, write 256 or `parseint(\"400\", 8)`."
            )]
        );
        assert_eq!(
            details(directory(1777)),
            [format!(
                "A mode is a number from 0 to 1023 (01777 in octal). {decimal}: for 01777 write 1023 or \
                 `parseint(\"1777\", 8)`."
            )]
        );
    }

    #[test]
    fn warns_of_digits_that_look_octal() {
        for (mode, octal) in [(400, "0620"), (440, "0670"), (444, "0674"), (500, "0764")] {
            let (services, places) = everywhere(mode);
            let summary = format!("The mode {mode} is {octal} in octal");
            let expected: Vec<_> = places
                .iter()
                .map(|at| (at.as_str(), summary.as_str()))
                .collect();
            advised("decimal-modes", services, &expected);
        }
        // 256 is 0400, 420 is 0644, 416 is 0640, 511 is 0777.
        for mode in [0, 256, 292, 420, 416, 493, 511, 100] {
            advised("decimal-modes", everywhere(mode).0, &[]);
        }
        let at = "services.volumes[0].empty_dir.mode";
        advised(
            "decimal-modes",
            directory(755),
            &[(at, "The mode 755 is 01363 in octal")],
        );
        advised("decimal-modes", directory(1023), &[]);
    }
}

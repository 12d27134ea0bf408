use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::schema::Number;

fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Integer),
        any::<f64>().prop_filter_map("finite", |float| Number::parse(&float.to_string())),
        any::<f64>().prop_filter_map("finite", number::read_float),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{0,40}[1-9])?"
            .prop_filter_map("a number", |text| { Number::parse(&text) }),
    ]
}

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::Number),
        Just(Type::String),
        Just(Type::Dynamic),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Type::List),
            boxed().prop_map(Type::Set),
            boxed().prop_map(Type::Map),
            prop::collection::btree_map("[a-z_.]{1,6}", inner.clone(), 0..4).prop_map(Type::Object),
            prop::collection::vec(inner, 0..4).prop_map(Type::Tuple),
        ]
    })
}

/// Values like the literals of a configuration. A dynamic value preserves them exactly.
fn any_literal() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number().prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Object),
            prop::collection::btree_map(any::<String>(), any::<String>(), 1..4)
                .prop_map(|items| items
                    .into_iter()
                    .map(|(key, text)| (key, Value::String(text))))
                .prop_map(|items| Value::Map(items.collect())),
        ]
    })
}

fn value_of(ty: &Type, unknowns: bool) -> BoxedStrategy<Value> {
    let known = match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Number => any_number().prop_map(Value::Number).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::Dynamic => any_literal().boxed(),
        Type::List(element) | Type::Set(element) => {
            prop::collection::vec(value_of(element, unknowns), 0..4)
                .prop_map(Value::List)
                .boxed()
        }
        Type::Map(element) => {
            prop::collection::btree_map(any::<String>(), value_of(element, unknowns), 0..4)
                .prop_map(Value::Map)
                .boxed()
        }
        Type::Object(attributes) => {
            let (names, types): (Vec<_>, Vec<_>) = attributes.clone().into_iter().unzip();
            let values: Vec<_> = types.iter().map(|ty| value_of(ty, unknowns)).collect();
            values
                .prop_map(move |values| {
                    Value::Object(names.clone().into_iter().zip(values).collect())
                })
                .boxed()
        }
        Type::Tuple(elements) => {
            let values: Vec<_> = elements.iter().map(|ty| value_of(ty, unknowns)).collect();
            values.prop_map(Value::List).boxed()
        }
    };
    let unknown = if unknowns {
        Value::Unknown
    } else {
        Value::Null
    };
    prop_oneof![8 => known, 1 => Just(Value::Null), 1 => Just(unknown)].boxed()
}

fn any_typed(unknowns: bool) -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(move |ty| (Just(ty.clone()), value_of(&ty, unknowns)))
}

/// JSON as Terraform writes it. The provider never does, so that this is only here.
fn to_json(value: &Value, ty: &Type) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    match (value, ty) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Unknown, _) => panic!("JSON has no unknown values"),
        (value, Type::Dynamic) => {
            let wire = to_msgpack(value, ty).unwrap();
            let wire = rmpv::decode::read_value(&mut &wire[..]).unwrap();
            let own = std::str::from_utf8(wire[0].as_slice().unwrap()).unwrap();
            let inner = to_json(value, &type_from_json(own.as_bytes()).unwrap());
            format!(r#"{{"value":{inner},"type":{own}}}"#)
        }
        (Value::Bool(value), _) => value.to_string(),
        (Value::Number(value), _) => value.plain_text().unwrap(),
        (Value::String(value), _) => text(value),
        (Value::List(items), Type::Tuple(types)) => {
            let items = items.iter().zip(types).map(|(item, ty)| to_json(item, ty));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        (Value::List(items), Type::List(ty) | Type::Set(ty)) => {
            let items = items.iter().map(|item| to_json(item, ty));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        (Value::Map(items), Type::Map(ty)) => {
            let items = items
                .iter()
                .map(|(key, item)| format!("{}:{}", text(key), to_json(item, ty)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        (Value::Object(items), Type::Object(types)) => {
            let items = (items.iter())
                .map(|(name, item)| format!("{}:{}", text(name), to_json(item, &types[name])));
            format!("{{{}}}", items.collect::<Vec<_>>().join(" ,"))
        }
        _ => panic!("a value of another type"),
    }
}

proptest! {
    #[test]
    fn msgpack_round_trips((ty, value) in any_typed(true)) {
        prop_assert_eq!(from_msgpack(&to_msgpack(&value, &ty).unwrap(), &ty), Ok(value));
    }

    #[test]
    fn json_round_trips((ty, value) in any_typed(false)) {
        prop_assert_eq!(from_json(to_json(&value, &ty).as_bytes(), &ty), Ok(value));
    }

    #[test]
    fn types_round_trip(ty in any_type()) {
        prop_assert_eq!(type_from_json(&type_to_json(&ty)), Some(ty));
    }

    /// Bytes that are not the encoding of a value, but nearly so, are rejected or read as a value of the type.
    #[test]
    fn reads_or_rejects_any_bytes(
        (ty, value) in any_typed(false),
        at: prop::sample::Index,
        byte: u8,
        bytes: Vec<u8>,
    ) {
        let msgpack = changed(to_msgpack(&value, &ty).unwrap(), at, byte);
        let json = changed(to_json(&value, &ty).into_bytes(), at, byte);
        let read = [
            from_msgpack(&msgpack, &ty),
            from_json(&json, &ty),
            from_msgpack(&bytes, &ty),
            from_json(&bytes, &ty),
        ];
        for value in read.into_iter().flatten() {
            prop_assert_eq!(from_msgpack(&to_msgpack(&value, &ty).unwrap(), &ty), Ok(value));
        }
    }
}

/// Replaces one byte.
fn changed(mut bytes: Vec<u8>, at: prop::sample::Index, byte: u8) -> Vec<u8> {
    let at = at.index(bytes.len());
    bytes[at] = byte;
    bytes
}

fn object(attributes: impl IntoIterator<Item = (&'static str, Type)>) -> Type {
    Type::Object(
        attributes
            .into_iter()
            .map(|(name, ty)| (name.to_owned(), ty))
            .collect(),
    )
}

#[test]
fn writes_the_bytes_of_go_cty() {
    for (value, ty, bytes) in [
        (Value::Null, Type::String, &b"\xc0"[..]),
        (Value::Unknown, Type::Number, b"\xd4\x00\x00"),
        (Value::Number(Number::Float(0.1)), Type::Number, b"\xa30.1"),
        (
            Value::Number(Number::Float(0.5)),
            Type::Number,
            b"\xcb\x3f\xe0\0\0\0\0\0\0",
        ),
        (Value::integer(-1), Type::Number, b"\xff"),
        (
            Value::string("x"),
            Type::Dynamic,
            b"\x92\xc4\x08\"string\"\xa1x",
        ),
        (
            Value::List(vec![Value::Bool(true)]),
            Type::Set(Box::new(Type::Bool)),
            b"\x91\xc3",
        ),
    ] {
        assert_eq!(to_msgpack(&value, &ty).as_deref(), Ok(bytes), "{value:?}");
        assert_eq!(from_msgpack(bytes, &ty), Ok(value));
    }
}

/// go-cty panics if the entries of a map have several types.
#[test]
fn a_dynamic_map_of_several_types_is_an_object() {
    let items = BTreeMap::from([
        ("a".to_owned(), Value::Bool(true)),
        ("b".to_owned(), Value::string("x")),
    ]);
    let bytes = to_msgpack(&Value::Map(items.clone()), &Type::Dynamic).unwrap();
    let expected =
        b"\x92\xc4\x24[\"object\",{\"a\":\"bool\",\"b\":\"string\"}]\x82\xa1a\xc3\xa1b\xa1x";
    assert_eq!(bytes, expected);
    assert_eq!(
        from_msgpack(&bytes, &Type::Dynamic),
        Ok(Value::Object(items))
    );
}

#[test]
fn refined_unknown_values_are_unknown() {
    // "Not null", as an extension of type 12.
    let bytes = [0xc7, 0x03, 0x0c, 0x81, 0x01, 0xc2];
    assert_eq!(from_msgpack(&bytes, &Type::String), Ok(Value::Unknown));
}

fn error(path: &Path, problem: &str) -> Error {
    Error {
        path: path.clone(),
        problem: problem.to_owned(),
    }
}

#[test]
fn reports_mismatches_with_their_paths() {
    let ty = object([(
        "env",
        Type::List(Box::new(object([("name", Type::String)]))),
    )]);
    let at = Path::of("env").index(0).attribute("name");
    let mismatch = error(&at, "expected a string, found a bool");
    assert_eq!(
        mismatch.to_string(),
        "env[0].name: expected a string, found a bool"
    );
    let expected = Err(mismatch);
    assert_eq!(
        from_msgpack(b"\x81\xa3env\x91\x81\xa4name\xc3", &ty),
        expected
    );
    assert_eq!(from_json(br#"{"env":[{"name":true}]}"#, &ty), expected);

    let at = Path::of("env").index(0);
    let expected = Err(error(&at, r#"the attribute "name" is missing"#));
    assert_eq!(from_msgpack(b"\x81\xa3env\x91\x80", &ty), expected);
    assert_eq!(from_json(br#"{"env":[{}]}"#, &ty), expected);

    let value = Value::Object(BTreeMap::from([("env".to_owned(), Value::Bool(true))]));
    assert_eq!(
        to_msgpack(&value, &ty),
        Err(error(&Path::of("env"), "expected a list, found a bool"))
    );
}

#[test]
fn stored_states_can_lack_and_exceed_attributes() {
    let ty = object([("kept", Type::String), ("new", Type::Number)]);
    let stored = br#"{"kept":"a","gone":{"deep":1}}"#;
    assert_eq!(
        from_stored_json(stored, &ty),
        Ok(Value::Object(BTreeMap::from([
            ("kept".to_owned(), Value::string("a")),
            ("new".to_owned(), Value::Null),
        ])))
    );
    assert_eq!(
        from_json(stored, &ty),
        Err(error(&Path::root(), r#"there is no attribute "gone""#))
    );
}

#[test]
fn rejects_excessive_nesting() {
    let deep = 200_000;
    let mut list = vec![0x91; deep];
    list.push(0xc0);
    assert!(from_msgpack(&list, &Type::Dynamic).is_err());
    assert!(from_msgpack(&list, &Type::List(Box::new(Type::Bool))).is_err());

    let open = r#"{"type":["tuple",["dynamic"]],"value":["#;
    let json = format!("{}null{}", open.repeat(2000), "]}".repeat(2000));
    assert_eq!(
        from_json(json.as_bytes(), &Type::Dynamic),
        Err(error(&Path::root(), "nested too deeply"))
    );
    let json = format!("{}null{}", "[".repeat(deep), "]".repeat(deep));
    assert!(from_json(json.as_bytes(), &Type::Dynamic).is_err());
    // A length that no message could have.
    assert!(from_msgpack(b"\xdd\xff\xff\xff\xff", &Type::List(Box::new(Type::Bool))).is_err());
}

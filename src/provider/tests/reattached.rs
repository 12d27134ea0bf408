//! With `-debug` one process serves many runs. Some of them are interrupted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::*;
use crate::schema::provider::ImportResourceStateRequest;

const NOTHING: &str =
    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;

/// An API server without objects.
fn empty_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
                request.extend(byte);
            }
            let answer = format!(
                "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{NOTHING}",
                NOTHING.len()
            );
            client.write_all(answer.as_bytes()).ok();
        }
    });
    address
}

#[test]
fn a_stop_cancels_one_run_and_not_the_next() {
    let feast = Feast::new();
    let host = format!("http://{}", empty_server());
    let attributes = &feast.schema().block.attributes;
    let config = encode(attributes, &json!({"host": host}));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let import = || {
        let request = ImportResourceStateRequest {
            id: "b/a".to_owned(),
            ..ImportResourceStateRequest::default()
        };
        let imported = runtime.block_on(resource(&feast).import_state(request));
        let said = imported.diagnostics.into_iter();
        said.map(|diagnostic| diagnostic.detail).collect::<String>()
    };
    let configure = || {
        let request = ConfigureProviderRequest {
            config: config.clone(),
            ..ConfigureProviderRequest::default()
        };
        assert_eq!(runtime.block_on(feast.configure(request)), []);
    };
    configure();
    let found = import();
    assert!(!found.contains("canceled"), "{found}");
    feast.stop();
    assert!(import().contains("The operation was canceled"));
    configure();
    assert_eq!(import(), found);
}

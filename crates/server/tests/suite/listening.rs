//! Where a server can listen, and what it says when it cannot.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use switchboard_server::{Config, Limits, ListenAddress, Listeners, Plaintext, ServerError};

use crate::node::Node;

fn bind(address: &ListenAddress) -> Result<Listeners, ServerError> {
    Listeners::bind(std::slice::from_ref(address), Plaintext::LoopbackOnly)
}

fn complaint(address: &ListenAddress) -> String {
    bind(address).unwrap_err().to_string()
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = bind(&"tls://127.0.0.1:0".parse().unwrap()).unwrap();
    let [ListenAddress::Tls(at)] = first.addresses()[..] else { panic!("{first:?}") };
    let text = complaint(&ListenAddress::Tcp(at));
    let expected = format!("port {} of 127.0.0.1 is in use", at.port());
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let text = complaint(&"tls://192.0.2.1:0".parse().unwrap());
    assert!(text.contains("no address 192.0.2.1"), "{text}");
}

#[tokio::test]
async fn plaintext_stays_on_loopback_unless_allowed() {
    let everywhere: ListenAddress = "tcp://0.0.0.0:0".parse().unwrap();
    let text = complaint(&everywhere);
    assert!(text.contains("in the clear") && text.contains("--allow-plaintext"), "{text}");
    Listeners::bind(&[everywhere], Plaintext::Anywhere).unwrap();
    bind(&"tcp://[::ffff:127.0.0.1]:0".parse().unwrap()).unwrap();
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_names_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = |bytes: usize| {
        let prefix = folder.path().as_os_str().len() + 1;
        ListenAddress::Unix(folder.path().join("s".repeat(bytes - prefix)))
    };
    let text = complaint(&path(108));
    assert!(text.contains("108 bytes") && text.contains("limit is 107 bytes"), "{text}");
    bind(&path(107)).unwrap();
}

#[tokio::test]
async fn the_socket_is_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listeners = bind(&ListenAddress::Unix(path.clone())).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let address = ListenAddress::Unix(path.clone());
    // The standard library leaves the file behind, as a killed server does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let living = bind(&address).unwrap();
    let text = complaint(&address);
    assert!(text.contains("already running there"), "{text}");
    drop(living);
    assert!(!path.exists(), "its own file goes with the listener");
}

#[tokio::test]
async fn a_file_of_another_kind_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let text = complaint(&ListenAddress::Unix(path.clone()));
    assert!(text.contains("another kind"), "{text}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[tokio::test]
async fn what_cannot_be_bound_releases_what_was() {
    let first = bind(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
    let taken = first.addresses().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let both = [ListenAddress::Unix(path.clone()), taken];
    Listeners::bind(&both, Plaintext::LoopbackOnly).unwrap_err();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_tls_listener_needs_an_identity() {
    let node = Node::start(Limits::default());
    let config = Config { tls: None, ..node.config.clone() };
    let listeners = bind(&"tls://127.0.0.1:0".parse().unwrap()).unwrap();
    let ended = switchboard_server::run(node.engine.clone(), config, listeners, std::future::pending()).await;
    assert!(matches!(ended, Err(ServerError::NoIdentity { .. })), "{ended:?}");
}

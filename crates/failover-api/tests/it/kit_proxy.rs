//! The proxy itself: each fault is seen by a real client of a real server behind it.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::kit::{Session, clone, sample};
use crate::support::git::{Repository, git};
use crate::support::process::said;
use crate::support::proxy::{Armed, Direction, Fault, Proxy};
use crate::support::sshd::SshServer;

/// Longer than any test is patient.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn behind() -> (SshServer, Proxy) {
    let server = SshServer::start_new();
    let proxy = Proxy::start(server.address());
    (server, proxy)
}

fn to_client(after: u64, fault: Fault) -> [Armed; 1] {
    [Armed { direction: Direction::ToClient, after, fault }]
}

fn to_server(after: u64, fault: Fault) -> [Armed; 1] {
    [Armed { direction: Direction::ToServer, after, fault }]
}

/// What arrives of an SSH server's greeting, before the client has said a word.
fn greeting(proxy: &Proxy) -> String {
    let mut text = String::new();
    // A connection that is closed while bytes are on their way may end in an error; what came before it counts.
    let _ = TcpStream::connect(proxy.address()).unwrap().read_to_string(&mut text);
    text
}

/// Pushes one more commit to `url`, from a clone of the repository itself.
fn push(server: &SshServer, repository: &Repository, url: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut git = git(folder.path());
        git.env("GIT_SSH_COMMAND", server.ssh_command(&server.key())).args(arguments).output().unwrap()
    };
    assert!(run(&["clone", "-q", repository.path().to_str().unwrap(), "."]).status.success());
    assert!(run(&["commit", "-q", "--allow-empty", "-m", "Pushed"]).status.success());
    run(&["push", "-q", url, "HEAD:main"])
}

#[test]
fn proxy_passes_everything_on() {
    let (repository, (server, proxy)) = (sample(), behind());
    let url = server.url_through(&proxy, repository.path());
    let pushed = push(&server, &repository, &url);
    assert!(pushed.status.success(), "{}", said(&pushed));
    let cloned = clone(&server, &url, &server.key());
    assert!(cloned.status.success(), "{}", said(&cloned));
    assert_eq!(repository.log("%s").lines().next(), Some("Pushed"));
    assert_eq!(proxy.met(), []);
}

#[test]
fn proxy_knows_the_host_key_of_now() {
    let (repository, (mut server, proxy)) = (sample(), behind());
    let url = server.url_through(&proxy, repository.path());
    server.rotate_host_key();
    assert!(said(&clone(&server, &url, &server.key())).contains("Host key verification failed"));
    server.pin_host_key();
    assert!(clone(&server, &url, &server.key()).status.success());
}

#[test]
fn proxy_cuts_and_halves_at_the_chosen_byte() {
    let (_server, proxy) = behind();
    proxy.arm_next(&to_client(8, Fault::Cut));
    assert_eq!(greeting(&proxy), "SSH-2.0-");
    proxy.arm_next(&to_client(0, Fault::Halve));
    let half = greeting(&proxy).len();
    proxy.arm_next(&to_client(8, Fault::Halve));
    let eight_and_half_the_rest = greeting(&proxy).len();
    // The whole greeting ends with a line feed, and sshd waits for ours then.
    proxy.arm_next(&to_server(0, Fault::Cut));
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
    assert_eq!((half, eight_and_half_the_rest), (text.len() / 2, 8 + (text.len() - 8) / 2));
    assert_eq!(proxy.met(), [Fault::Cut, Fault::Halve, Fault::Halve]);
}

#[test]
fn proxy_cuts_git_in_the_midst() {
    let (repository, (server, proxy)) = (sample(), behind());
    let url = server.url_through(&proxy, repository.path());
    let before = repository.tip();
    for faults in [
        to_server(0, Fault::Cut),
        to_client(30, Fault::Halve),
        to_client(3000, Fault::Cut),
        to_server(3000, Fault::Halve),
    ] {
        proxy.arm_next(&faults);
        let pushed = push(&server, &repository, &url);
        assert!(!pushed.status.success(), "{faults:?}: {}", said(&pushed));
    }
    assert_eq!((proxy.met().len(), repository.tip()), (4, before));
    // Nothing is left armed.
    let pushed = push(&server, &repository, &url);
    assert!(pushed.status.success(), "{}", said(&pushed));
}

#[test]
fn proxy_cuts_what_is_connected_and_serves_what_comes() {
    let (server, proxy) = behind();
    let url = server.url_through(&proxy, Path::new(""));
    let mut idle = Session::open(&server, &url);
    assert_eq!(proxy.cut(), 1);
    assert!(!idle.0.wait().unwrap().success());
    let mut session = Session::open(&server, &url);
    assert_eq!(proxy.arm_current(&to_server(0, Fault::Cut)), 1);
    let mut other = Session::open(&server, &url);
    session.send("never\n");
    assert_eq!(rest(&mut session.0), "");
    assert_eq!(other.echo("two\n"), "two\n");
    assert_eq!(proxy.met(), [Fault::Cut]);
    drop(proxy);
    assert_eq!(rest(&mut other.0), "");
}

/// What a session still says until it fails.
fn rest(session: &mut Child) -> String {
    let mut text = String::new();
    session.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
    assert!(!session.wait().unwrap().success());
    text
}

#[test]
fn proxy_stalls_and_goes_on() {
    let (server, proxy) = behind();
    let url = server.url_through(&proxy, Path::new(""));
    let (mut stalled, mut other) = (Session::open(&server, &url), Session::open(&server, &url));
    proxy.arm_current(&to_client(0, Fault::Stall(Duration::from_millis(300))));
    let begun = Instant::now();
    assert_eq!(stalled.echo("late\n"), "late\n");
    assert_eq!(other.echo("late\n"), "late\n");
    // Nothing here may be early; how late it is says nothing.
    assert!(begun.elapsed() >= Duration::from_millis(600));
    // Once a stall is over it is over.
    assert_eq!(stalled.echo("again\n"), "again\n");
    assert_eq!(proxy.met().len(), 2);

    let stall = Fault::Stall(FOR_EVER);
    proxy.arm_current(&to_client(0, stall));
    stalled.send("never\n");
    proxy.wait_met(3);
    // Another connection goes its way meanwhile, and dropping ends a stall at once.
    assert_eq!(Session::open(&server, &url).echo("three\n"), "three\n");
    drop(proxy);
    assert_eq!(rest(&mut stalled.0), "");
}

#[test]
fn proxy_delays_from_a_byte_on() {
    let (server, proxy) = behind();
    let url = server.url_through(&proxy, Path::new(""));
    let mut session = Session::open(&server, &url);
    proxy.arm_current(&to_server(0, Fault::Delay(Duration::from_millis(100))));
    let begun = Instant::now();
    for round in 0..3 {
        assert_eq!(session.echo(&format!("{round}\n")), format!("{round}\n"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(proxy.met(), [Fault::Delay(Duration::from_millis(100))]);
}

#[test]
fn proxy_has_a_round_trip_time_and_carries_many_bytes_at_once() {
    const ROUND_TRIP: Duration = Duration::from_millis(100);
    let server = SshServer::start_new();
    let proxy = Proxy::with_round_trip(server.address(), ROUND_TRIP);
    let begun = Instant::now();
    proxy.arm_next(&to_client(8, Fault::Cut));
    assert_eq!(greeting(&proxy), "SSH-2.0-");
    assert!(begun.elapsed() >= ROUND_TRIP * 2, "one for the handshake of TCP, one to be greeted");

    let url = server.url_through(&proxy, Path::new(""));
    let mut session = Session::open(&server, &url);
    let begun = Instant::now();
    (0..10).for_each(|_| assert_eq!(session.echo("one by one\n"), "one by one\n"));
    let one_by_one = begun.elapsed();
    assert!(one_by_one >= ROUND_TRIP * 10);
    let begun = Instant::now();
    (0..10).for_each(|_| session.send("together\n"));
    (0..10).for_each(|_| assert_eq!(session.receive(), "together\n"));
    assert!(begun.elapsed() >= ROUND_TRIP);
    assert!(begun.elapsed() < one_by_one, "they wait for each other");
}

//! Any bytes as a web server's answers to a look at a repository: no panic, an answer in time, and no repository where
//! there is none. Slow, because real connections are made.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use failover_api::git::{RemoteUrl, Repository, SecretFolder, Settings};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::time::Instant;

struct Server {
    url: String,
    /// What every request is answered with.
    answer: Arc<Mutex<Vec<u8>>>,
    runtime: Runtime,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/repository", listener.local_addr().unwrap());
    let answer = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&answer);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let _ = connection.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(&shown.lock().unwrap());
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Server { url, answer, runtime }
});

fuzz_target!(|data: &[u8]| {
    let server = &*SERVER;
    *server.answer.lock().unwrap() = data.to_vec();
    let url = RemoteUrl::parse(&server.url).unwrap();
    let branch = Some("main".parse().unwrap());
    let secret = SecretFolder::default();
    server.runtime.block_on(async {
        let repository = Repository::new(Settings { url, branch, ssh: None, secret, cache: None }).unwrap();
        let begun = Instant::now();
        let found = repository.fetch(begun + Duration::from_secs(2)).await;
        assert!(found.is_err(), "a repository was found in {data:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    });
});

//! A listener to server-sent events, over a plain connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::Value;
use tokio::net::TcpSocket;

use super::api::Server;
use super::process::PATIENCE;

/// One connection that follows the events.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    /// The head of the answer.
    pub(crate) head: String,
    /// What was read of the body and is no whole event yet.
    body: String,
}

impl Events {
    /// Connects and reads the answer's head.
    pub(crate) fn follow(server: &Server) -> Self {
        Self::follow_as(server, Ipv4Addr::LOCALHOST, &[])
    }

    /// The same from another address of this machine, with headers.
    pub(crate) fn follow_as(server: &Server, from: Ipv4Addr, headers: &[(&str, &str)]) -> Self {
        let address = server.url("");
        let mut stream = connect(from, address.trim_start_matches("http://").parse().unwrap());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET /api/events HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { stream, head, body: String::new() }
    }

    /// The next event as name and data; `None` when the stream ended as it should.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.body.split_once("\n\n") {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = field("event: ").map(|name| (name, field("data: ").unwrap()));
                self.body = rest.to_owned();
                if let Some((name, data)) = event {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).unwrap();
            let size =
                usize::from_str_radix(size.trim_end(), 16).unwrap_or_else(|_| panic!("chunk {size:?}"));
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            if size == 0 {
                assert_eq!(self.body, "");
                return None;
            }
            self.body += std::str::from_utf8(&chunk[..size]).unwrap();
        }
    }

    /// The next event of this name that is as wanted; others are passed over.
    pub(crate) fn find(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (found, data) = self.next().unwrap_or_else(|| panic!("the stream ended before {name}"));
            if found == name && wanted(&data) {
                return data;
            }
        }
    }
}

fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

//! A connection to a running server: one request, one reply, in RESP3.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sluice_net::resp::encode::{Proto, Writer};
use sluice_net::resp::reply::{Reply, Value, decode};

use crate::limit;

/// Why an operator's command did not do what it should.
#[derive(Debug)]
pub(crate) enum WireError {
    /// Nobody answers there. The operator's move.
    Unreachable { address: SocketAddr, why: std::io::Error },
    /// The connection broke, or the server took too long.
    Broken(std::io::Error),
    /// Whoever answers does not speak RESP.
    NotResp(String),
    /// The server said no, in these words.
    Refused(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Unreachable { address, why } => {
                write!(
                    f,
                    "no server at {address} ({why}): start one with `sluice serve`, or name it with --resp"
                )
            }
            WireError::Broken(why) => write!(f, "the connection broke: {why}"),
            WireError::NotResp(why) => write!(f, "not a RESP server: {why}"),
            WireError::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for WireError {}

impl From<std::io::Error> for WireError {
    fn from(why: std::io::Error) -> Self {
        WireError::Broken(why)
    }
}

/// Who asks. Without a user, the password is that of the user `default`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// One connection, greeted.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    /// Connects, asks for RESP3, and logs in where a password is given.
    pub(crate) fn open(address: SocketAddr, login: &Login) -> Result<Self, WireError> {
        let patience = Duration::from_millis(limit::CLI_PATIENCE_MS);
        let unreachable = |why| WireError::Unreachable { address, why };
        let stream = TcpStream::connect_timeout(&address, patience).map_err(unreachable)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, input: Vec::new() };
        let mut hello = vec!["HELLO", "3"];
        if let Some(password) = &login.password {
            hello.extend(["AUTH", login.user.as_deref().unwrap_or("default"), password]);
        }
        connection.ask(&hello, |_| ())?;
        Ok(connection)
    }

    /// Sends one request and hands its reply to `read`; a reply that is an error is [`WireError::Refused`].
    pub(crate) fn ask<T>(
        &mut self,
        words: &[&str],
        read: impl FnOnce(&Value<'_>) -> T,
    ) -> Result<T, WireError> {
        let mut request = Vec::new();
        let mut writer = Writer::new(&mut request, Proto::Resp3);
        writer.array(words.len());
        for word in words {
            writer.bulk(word.as_bytes());
        }
        self.stream.write_all(&request)?;
        self.input.clear();
        loop {
            match decode(&self.input) {
                Err(malformed) => return Err(WireError::NotResp(malformed.to_string())),
                Ok(Reply::Value { value: Value::Error(text), .. }) => {
                    return Err(WireError::Refused(String::from_utf8_lossy(text).into_owned()));
                }
                Ok(Reply::Value { value, .. }) => return Ok(read(&value)),
                Ok(Reply::Incomplete { .. }) => {}
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), WireError> {
        let mut piece = [0; 16 * 1024];
        let got = self.stream.read(&mut piece)?;
        if got == 0 {
            return Err(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.input.extend_from_slice(&piece[..got]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Login, WireError};
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::thread::JoinHandle;

    /// A server for one connection that answers the n-th request with the n-th reply, and returns what it heard.
    fn scripted(replies: &'static [&'static str]) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = String::new();
            for reply in replies {
                let mut piece = [0; 1024];
                let got = stream.read(&mut piece).unwrap();
                heard += std::str::from_utf8(&piece[..got]).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            }
            heard
        });
        (address, server)
    }

    #[test]
    fn a_login_goes_with_the_greeting() {
        let (address, server) = scripted(&["%1\r\n+proto\r\n:3\r\n", ":1\r\n"]);
        let login = Login { user: None, password: Some("s".to_owned()) };
        let mut connection = Connection::open(address, &login).unwrap();
        let reply = connection.ask(&["Q.ZONE", "DEL", "shop"], |value| value.integer()).unwrap();
        assert_eq!(reply, Some(1));
        let hello = "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$1\r\ns\r\n";
        let asked = "*3\r\n$6\r\nQ.ZONE\r\n$3\r\nDEL\r\n$4\r\nshop\r\n";
        assert_eq!(server.join().unwrap(), format!("{hello}{asked}"));
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server() {
        let (address, _server) = scripted(&["-WRONGPASS invalid username-password pair\r\n"]);
        let refused = Connection::open(address, &Login::default()).err().unwrap();
        assert!(matches!(refused, WireError::Refused(text) if text.starts_with("WRONGPASS")));
    }

    #[test]
    fn somebody_else_and_nobody_are_told_apart() {
        let (address, _server) = scripted(&["HTTP/1.1 400 Bad Request\r\n\r\n"]);
        assert!(matches!(Connection::open(address, &Login::default()), Err(WireError::NotResp(_))));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(Connection::open(free, &Login::default()), Err(WireError::Unreachable { .. })));
        let (address, _server) = scripted(&[""]);
        assert!(matches!(Connection::open(address, &Login::default()), Err(WireError::Broken(_))));
    }
}

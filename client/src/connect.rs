//! A connection is made: TCP, TLS where it is wanted, `HELLO` with credentials.

use std::future::poll_fn;

use sluice_net::resp::reply::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fault::Error;
use crate::input::Input;
use crate::settings::Settings;
use crate::socket::{Output, Socket};

/// A connection to `address` that is logged in and speaks RESP3.
///
/// # Errors
/// [`Error::NoAuth`] where the credentials were refused, [`Error::Disconnected`] for anything else.
pub(crate) async fn connect(address: &str, settings: &Settings) -> Result<Socket, Error> {
    let made = timeout(settings.connect_timeout, make(address, settings)).await;
    made.unwrap_or_else(|_| Err(failed(address, "it takes too long")))
}

async fn make(address: &str, settings: &Settings) -> Result<Socket, Error> {
    let stream = TcpStream::connect(address).await.map_err(|error| failed(address, error))?;
    stream.set_nodelay(true).map_err(|error| failed(address, error))?;
    let mut socket = secure(stream, address, settings).await?;
    greet(&mut socket, address, settings).await?;
    tracing::debug!(address, "connected");
    Ok(socket)
}

#[cfg(feature = "tls")]
async fn secure(stream: TcpStream, address: &str, settings: &Settings) -> Result<Socket, Error> {
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::ServerName;

    let Some(config) = &settings.tls else { return Ok(Socket::Plain(stream)) };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(address, error))?;
    let connector = TlsConnector::from(config.clone());
    let stream = connector.connect(name, stream).await.map_err(|error| failed(address, error))?;
    Ok(Socket::Tls(Box::new(stream)))
}

#[cfg(not(feature = "tls"))]
async fn secure(stream: TcpStream, _: &str, _: &Settings) -> Result<Socket, Error> {
    Ok(Socket::Plain(stream))
}

/// `HELLO 3 [AUTH user password] [SETNAME name]`, and its reply.
async fn greet(socket: &mut Socket, address: &str, settings: &Settings) -> Result<(), Error> {
    let mut words: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let Some((user, password)) = &settings.credentials {
        words.extend([&b"AUTH"[..], user.as_bytes(), password.as_bytes()]);
    }
    if let Some(name) = &settings.name {
        words.extend([&b"SETNAME"[..], name.as_bytes()]);
    }
    let (mut output, mut input) = (Output::default(), Input::default());
    crate::encode_command(&mut output.bytes, &words);
    poll_fn(|cx| output.poll_drain(cx, socket)).await.map_err(|error| failed(address, error))?;
    loop {
        let reply = input.decode().map_err(|error| failed(address, error))?;
        match reply {
            Some((Value::Error(text), _)) => return Err(refused(address, text)),
            Some((reply, consumed)) => {
                let is_resp3 = reply.field(b"proto").and_then(Value::integer) == Some(3);
                input.consume(consumed);
                // Nothing was asked for, so nothing may follow.
                let is_all = input.unread().is_empty();
                return if is_resp3 && is_all {
                    Ok(())
                } else {
                    Err(failed(address, "it does not speak RESP3"))
                };
            }
            None => {}
        }
        poll_fn(|cx| input.poll_fill(cx, socket)).await.map_err(|error| failed(address, error))?;
    }
}

fn refused(address: &str, text: &[u8]) -> Error {
    match Error::of_reply(text) {
        Error::NoAuth(text) => Error::NoAuth(text),
        _ => failed(address, String::from_utf8_lossy(text)),
    }
}

fn failed(address: &str, why: impl std::fmt::Display) -> Error {
    Error::Disconnected(format!("{address}: {why}"))
}

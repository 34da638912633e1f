//! Calls over TLS, with the certificate checked.

use std::sync::Arc;

use sluice_client::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sluice_client::rustls::{ClientConfig, RootCertStore, ServerConfig};
use sluice_client::{Client, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::script::{HELLO, within};

/// What the server shows, and a client that trusts it.
fn identity() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("is made");
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("is a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server.expect("fits its key"), client)
}

#[tokio::test]
async fn a_call_is_made_over_tls_and_a_stranger_is_refused() {
    let (server, trusting) = identity();
    let (_, wary) = identity();
    let listener = TcpListener::bind("localhost:0").await.expect("a free port");
    let address = format!("localhost:{}", listener.local_addr().expect("is bound").port());
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client comes");
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            for reply in [HELLO, ":7\r\n"] {
                let mut command = [0; 256];
                let read = stream.read(&mut command).await.expect("the client asks");
                assert!(read > 0, "the client asks");
                stream.write_all(reply.as_bytes()).await.expect("the client reads");
                stream.flush().await.expect("the client reads");
            }
        }
    });
    let client = Client::builder([address.clone()]).tls(Arc::new(trusting)).build().expect("is in range");
    assert_eq!(within(client.stream("s").len()).await, Ok(7));
    let client = Client::builder([address])
        .tls(Arc::new(wary))
        .call_timeout(std::time::Duration::from_millis(200))
        .build()
        .expect("is in range");
    let error = within(client.stream("s").len()).await.expect_err("it is a stranger");
    assert!(matches!(error, Error::Disconnected(_)), "{error:?}");
}

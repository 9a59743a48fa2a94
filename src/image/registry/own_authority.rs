//! A registry whose certificate is its own authority, as `openssl req -x509` makes it: the same
//! file lies on the server and in `certs.d/HOST/ca.crt`. OpenSSL and Go take it, webpki does not.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// TLS with the system's roots and those of the PEM bundles `roots`, each of which may also be
/// the server's own certificate. `identity`: PEM of a client's chain and key.
///
/// Errors: words.
pub(super) fn config(roots: &[Vec<u8>], identity: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = CryptoProvider::get_default().ok_or("no TLS provider is installed")?;
    let own = roots.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem));
    let own: Vec<CertificateDer<'static>> =
        own.collect::<Result<_, _>>().map_err(|e| format!("CA certificate: {e}"))?;
    let usual = Verifier::new_with_extra_roots(own.clone(), provider.clone());
    let verifier = OwnAuthority { usual: usual.map_err(|e| format!("CA certificate: {e}"))?, own };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let words = |e: &dyn std::fmt::Display| format!("client certificate: {e}");
            let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>();
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|e| words(&e))?;
            let chain = chain.map_err(|e| words(&e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| words(&e))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct OwnAuthority {
    usual: Verifier,
    /// Trusted for this registry.
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OwnAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match usual {
            // The handshake's signature shows that the server has its key; nobody else can vouch
            // for it.
            Err(error) if is_authority(&error) && self.own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// webpki's `CaUsedAsEndEntity`, which it finds after it has looked at the time of validity
/// (`check_issuer_independent_properties`) and before the purposes that the certificate is for,
/// which are nobody else's to say: `certs.d` holds it for this registry.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string() == "CaUsedAsEndEntity")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// `openssl req -x509 -addext subjectAltName=IP:127.0.0.1` with CN=127.0.0.1, of
    /// 2026-11-26 20:50:58 UTC, for ten years.
    const PEM: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjjCCATSgAwIBAgIUdohwckpGQkP/q4cCtcOuUC6BJTYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMB4XDTI2MTEyNjIwNTA1OFoXDTM2MTEyMzIw
NTA1OFowFDESMBAGA1UEAwwJMTI3LjAuMC4xMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE6HiDN+KgvxPAQrQUM2YZhgU8PBABOoMJfOuPCxKjMtQApys4L3iLSFlh
/LRnfBBxeZrDbLT+ZfwMItczEAabVaNkMGIwHQYDVR0OBBYEFA+Z2eTb9zywm+2+
UYksr8EPLGr6MB8GA1UdIwQYMBaAFA+Z2eTb9zywm+2+UYksr8EPLGr6MA8GA1Ud
EwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAKBggqhkjOPQQDAgNIADBFAiEA
/ygXEZNylDhgQP7BBps5e2xwDYkJ0wWWkMEVtc3RHQwCIF1ehYWblbJiW8217DCU
/VnEWTkv0UbpZxUEcUNx6Khm
-----END CERTIFICATE-----
";
    /// The first second of its time, since 1970.
    const BEGIN: u64 = 1_795_726_258;
    const YEAR: u64 = 365 * 24 * 3600;

    fn verify(trusted: &[&str], name: &str, second: u64) -> Result<(), String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let own: Vec<_> = trusted.iter().map(|pem| der(pem)).collect();
        let usual = Verifier::new_with_extra_roots(own.clone(), provider).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(second));
        OwnAuthority { usual, own }
            .verify_server_cert(&der(PEM), &[], &name, &[], now)
            .map_err(|e| e.to_string())
            .map(drop)
    }

    #[test]
    fn it_vouches_for_itself_alone_in_its_time_and_for_its_name() {
        assert_eq!(verify(&[PEM], "127.0.0.1", BEGIN + YEAR), Ok(()));
        let said = |result: Result<(), String>| result.unwrap_err();
        assert!(said(verify(&[PEM], "127.0.0.2", BEGIN + YEAR)).contains("not valid for name"));
        assert!(said(verify(&[PEM], "127.0.0.1", BEGIN - 60)).contains("not valid yet"));
        assert!(said(verify(&[PEM], "127.0.0.1", BEGIN + 11 * YEAR)).contains("expired"));
        // Nobody trusts it.
        assert!(said(verify(&[], "127.0.0.1", BEGIN + YEAR)).contains("CaUsedAsEndEntity"));
    }
}

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
    let verifier = OwnAuthority { usual: usual.map_err(|e| e.to_string())?, own };
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
/// (`check_issuer_independent_properties`) and before anything else.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string() == "CaUsedAsEndEntity")
}

//! ECDSA signatures on the curve P-521. Client certificates of go-plugin have such keys, and ring does not support the
//! curve.

use p521::ecdsa::signature::Verifier;
use p521::ecdsa::{DerSignature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// ECDSA on P-521 with SHA-512, and no other algorithm.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&EcdsaP521Sha512],
    mapping: &[(SignatureScheme::ECDSA_NISTP521_SHA512, &[&EcdsaP521Sha512])],
};

#[derive(Debug)]
struct EcdsaP521Sha512;

impl SignatureVerificationAlgorithm for EcdsaP521Sha512 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}

#[cfg(test)]
mod tests {
    use p521::ecdsa::SigningKey;
    use p521::ecdsa::signature::Signer;

    use super::*;

    #[test]
    fn accepts_only_the_signature_of_the_message() {
        // Below the curve's order, which is just under 2^521.
        let mut secret = [7; 66];
        secret[0] = 0;
        let key = SigningKey::from_slice(&secret).unwrap();
        let public = key.verifying_key().to_sec1_point(false);
        let signature: DerSignature = key.sign(b"message");
        let verify = |message: &[u8], signature: &[u8]| {
            EcdsaP521Sha512
                .verify_signature(public.as_bytes(), message, signature)
                .is_ok()
        };
        assert!(verify(b"message", signature.as_bytes()));
        assert!(!verify(b"another message", signature.as_bytes()));
        assert!(!verify(b"message", b"no signature"));
        assert!(!verify(b"message", &[]));
    }
}

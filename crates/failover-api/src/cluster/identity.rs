//! The private key of a Secret in a form that OpenSSH reads.

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

/// What precedes the 32 secret bytes of an Ed25519 key in PKCS #8 without its public half (RFC 8410, section 7). Go writes
/// nothing else, and so Flux neither.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key that `identity` and `password` are, without passphrase: nobody could enter one when ssh asks. The error says
/// what is wrong and shows nothing of the key.
pub(super) fn readable(identity: &[u8], password: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let text =
        str::from_utf8(identity).map_err(|_| "identity is not a private key in PEM form".to_owned())?;
    // A Secret made from a text has lost its last newline, without which OpenSSH reads no key.
    let text = format!("{}\n", text.trim().replace("\r\n", "\n"));
    if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        let key = PrivateKey::from_openssh(&text).map_err(|error| format!("identity: {error}"))?;
        if !key.is_encrypted() {
            return Ok(text.into_bytes());
        }
        let password =
            password.ok_or_else(|| "identity has a passphrase, and password is missing".to_owned())?;
        // As with Flux, which takes the value as it is; but none ends with a newline that an editor left.
        let password = password.strip_suffix(b"\n").unwrap_or(password);
        let open = key.decrypt(password).map_err(|_| "password does not open identity".to_owned())?;
        return written(&open);
    }
    if text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("\nProc-Type: 4,ENCRYPTED\n")
    {
        return Err(
            "identity has a passphrase in a form that is not read; ssh-keygen -p -f FILE writes it in OpenSSH's own"
                .to_owned(),
        );
    }
    match ed25519_seed(&text) {
        // OpenSSH reads this form only from 9.6 on.
        Some(seed) => {
            let key = PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&seed)), "")
                .map_err(|error| format!("identity: {error}"))?;
            written(&key)
        }
        // Whatever else it may be, ssh knows better.
        None => Ok(text.into_bytes()),
    }
}

fn ed25519_seed(pem: &str) -> Option<[u8; 32]> {
    use base64::Engine as _;
    let body = pem.strip_prefix("-----BEGIN PRIVATE KEY-----\n")?;
    let body: String = body.lines().take_while(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).ok()?;
    der.strip_prefix(&PKCS8_ED25519)?.try_into().ok()
}

fn written(key: &PrivateKey) -> Result<Vec<u8>, String> {
    let text = key.to_openssh(LineEnding::LF).map_err(|error| format!("identity: {error}"))?;
    Ok(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    /// The public key that OpenSSH itself reads from the private one.
    fn public(key: &[u8]) -> String {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, key).unwrap();
        run(Command::new("chmod").arg("400").arg(&file));
        run(Command::new("ssh-keygen").arg("-y").arg("-f").arg(&file))
            .split(' ')
            .nth(1)
            .unwrap()
            .trim()
            .to_owned()
    }

    fn run(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new key, and the second part of its public half.
    fn generate(folder: &Path, kind: &str, passphrase: &str) -> (Vec<u8>, String) {
        let file = folder.join(format!("{kind}-{}", passphrase.len()));
        run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(&file));
        let public = std::fs::read_to_string(file.with_added_extension("pub")).unwrap();
        (std::fs::read(file).unwrap(), public.split(' ').nth(1).unwrap().trim().to_owned())
    }

    #[test]
    fn every_form_becomes_one_that_openssh_reads() {
        let folder = tempfile::TempDir::new().unwrap();
        for kind in ["ed25519", "ecdsa", "rsa"] {
            let (key, half) = generate(folder.path(), kind, "");
            assert_eq!(readable(&key, None).unwrap(), key, "{kind}");
            let cut = key.strip_suffix(b"\n").unwrap();
            assert_eq!(readable(cut, None).unwrap(), key, "{kind}");
            let windows = String::from_utf8(key).unwrap().replace('\n', "\r\n");
            assert_eq!(public(&readable(windows.as_bytes(), None).unwrap()), half, "{kind}");
            let (key, half) = generate(folder.path(), kind, "correct horse");
            let open = readable(&key, Some(b"correct horse\n")).unwrap();
            assert_eq!(public(&open), half, "{kind}");
            assert_eq!(open, readable(&key, Some(b"correct horse")).unwrap(), "{kind}");
        }
    }

    #[test]
    fn the_forms_that_flux_itself_writes_are_read() {
        for algorithm in [
            &["-algorithm", "ED25519"][..],
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        ] {
            let key = run(Command::new("openssl").arg("genpkey").args(algorithm));
            assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
            let open = readable(key.as_bytes(), None).unwrap();
            assert!(!public(&open).is_empty());
        }
        // The example of RFC 8410, section 10.3 with its public half.
        let example = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let public_half = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let decode = |text: &str| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        };
        let read = decode(&public(&readable(example.as_bytes(), None).unwrap()));
        assert!(read.ends_with(&decode(public_half)), "{read:?}");
    }

    #[test]
    fn what_cannot_be_opened_is_said_without_showing_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let (key, _) = generate(folder.path(), "ed25519", "correct horse");
        for (identity, password, said) in [
            (&key[..], None, "password is missing"),
            (&key, Some(&b"wrong-canary"[..]), "password does not open"),
            (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\ncanary\n", Some(b"x"), "ssh-keygen -p"),
            (b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\ncanary", Some(b"x"), "ssh-keygen -p"),
            (
                b"-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----\n",
                None,
                "identity: ",
            ),
            (b"canary\xff", None, "not a private key"),
        ] {
            let error = readable(identity, password).unwrap_err();
            assert!(error.contains(said) && !error.contains("canary"), "{error}");
        }
    }
}

//! Certificates for loopback, made by the `openssl` program.

use std::path::Path;
use std::process::Command;

use super::process::run;

const EXTENSIONS: &str = "[req]\ndistinguished_name = name\n[name]\n\
    [ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n\
    subjectKeyIdentifier = hash\n\
    [server]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n\
    extendedKeyUsage = serverAuth\nsubjectAltName = IP:127.0.0.1\n\
    subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n\
    [client]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n\
    extendedKeyUsage = clientAuth\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n";

/// Writes, as `NAME.crt` and `NAME.key` into the folder: `ca`, with `server` (for 127.0.0.1 by address only) and
/// `client` under it, and `other-ca`, which nobody trusts, with `other-client` under it.
pub(crate) fn make(folder: &Path) {
    std::fs::write(folder.join("openssl.cnf"), EXTENSIONS).unwrap();
    issue(folder, "ca", "ca", None);
    issue(folder, "server", "server", Some("ca"));
    issue(folder, "client", "client", Some("ca"));
    issue(folder, "other-ca", "ca", None);
    issue(folder, "other-client", "client", Some("other-ca"));
}

fn issue(folder: &Path, name: &str, kind: &str, authority: Option<&str>) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    openssl.args(["req", "-x509", "-config", "openssl.cnf", "-extensions", kind, "-days", "3650"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-subj", &format!("/O=failover-api tests/CN={name}")]);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
    if let Some(authority) = authority {
        openssl.args(["-CA", &format!("{authority}.crt"), "-CAkey", &format!("{authority}.key")]);
    }
    run(&mut openssl);
}

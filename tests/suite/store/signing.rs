//! The file of the signing key.

use std::os::unix::fs::PermissionsExt;

use dp2stage::store::{SigningKeyError, renew_signing_key, signing_key};

use crate::support::scratch;

/// Servers that start at once on one folder have one key, in a file that is its owner's alone.
#[test]
fn one_key_is_made_and_stays() {
    let folder = scratch();
    let path = folder.path().join("keys/certificate.ed25519");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| signing_key(&path).unwrap().public().id())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    let text = std::fs::read_to_string(&path).unwrap();
    let printed = format!("{:?}", signing_key(&path).unwrap());
    assert!(!text.contains(&printed) && printed.contains(&ids[0]), "it prints its name alone: {printed}");
    assert_ne!(renew_signing_key(&path).unwrap().public().id(), ids[0]);
    assert_ne!(signing_key(&path).unwrap().public().id(), ids[0]);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_is_no_key_or_everybodys_is_refused() {
    let folder = scratch();
    let path = folder.path().join("key");
    signing_key(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(signing_key(&path), Err(SigningKeyError::Open(_))));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    signing_key(&path).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in ["", "junk", &good[..60], &good.replace("PRIVATE", "PUBLIC"), &good.replacen("MC4", "MC5", 1)] {
        std::fs::write(&path, bad).unwrap();
        let told = signing_key(&path).map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("key") && told.contains("Ed25519"), "{told}");
    }
}

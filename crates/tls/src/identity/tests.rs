//! Promises of the identity: made once, renewed with the same key, refused when exposed or damaged.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn load(folder: &Path, list: &[&str], now: i64) -> (Identity, IdentityOrigin) {
    Identity::load_or_create(folder, &names(list), now).unwrap()
}

fn refusal(folder: &Path) -> String {
    Identity::load_or_create(folder, &[], NOW).unwrap_err().to_string()
}

fn statement(folder: &Path) -> Statement {
    let path = folder.join(CERTIFICATE_FILE);
    certificate::read(&certificates_in(&fs::read(&path).unwrap(), &path).unwrap()[0]).unwrap()
}

fn serial(folder: &Path) -> Vec<u8> {
    let path = folder.join(CERTIFICATE_FILE);
    let chain = certificates_in(&fs::read(&path).unwrap(), &path).unwrap();
    X509Certificate::from_der(&chain[0]).unwrap().1.raw_serial().to_vec()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & PERMISSION_BITS
}

#[test]
fn the_first_start_makes_an_identity_and_the_next_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data/keys");
    let (made, origin) = load(&folder, &["bank.example.org"], NOW);
    assert_eq!(origin, IdentityOrigin::Created);
    assert_eq!(made.not_after(), NOW + 396 * DAY);
    assert_eq!((mode(&folder), mode(&folder.join(KEY_FILE))), (0o700, 0o600));
    let pem = fs::read_to_string(folder.join(KEY_FILE)).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));

    let (found, origin) = load(&folder, &["bank.example.org"], NOW + DAY);
    assert_eq!(origin, IdentityOrigin::Loaded);
    assert_eq!(found.fingerprint(), made.fingerprint());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing unfinished is left");
}

#[test]
fn the_certificate_carries_the_names_asked_for_and_the_local_ones() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &["Bank.Example.ORG.", "192.0.2.7", "2001:db8::7", "localhost"], NOW);
    let expected: BTreeSet<_> =
        ["bank.example.org", "192.0.2.7", "2001:db8::7", "localhost", "127.0.0.1", "::1"]
            .map(|name| SubjectName::parse(name).unwrap())
            .into();
    assert_eq!(statement(folder.path()).names, expected);
}

#[test]
fn a_renewed_certificate_keeps_the_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = load(folder.path(), &[], NOW);
    let late = first.not_after() - 30 * DAY;
    let mut serials = vec![serial(folder.path())];
    for (list, now, expected) in [
        (&[][..], late, IdentityOrigin::Loaded),
        (&[][..], late + 1, IdentityOrigin::Renewed),
        (&["one.example"][..], late + 1, IdentityOrigin::Renewed),
        (&["one.example"][..], late + 1, IdentityOrigin::Loaded),
        (&[][..], late + 1, IdentityOrigin::Renewed),
        // A clock that was ahead and has been set right.
        (&[][..], NOW, IdentityOrigin::Renewed),
        (&[][..], 0, IdentityOrigin::Renewed),
        (&[][..], NOW, IdentityOrigin::Renewed),
    ] {
        let (identity, origin) = load(folder.path(), list, now);
        assert_eq!(origin, expected, "{list:?} at {now}");
        assert_eq!(identity.fingerprint(), first.fingerprint());
        assert!(!statement(folder.path()).validity.is_due(now));
        serials.push(serial(folder.path()));
    }
    let distinct: BTreeSet<_> = serials.into_iter().collect();
    assert_eq!(distinct.len(), 7, "the first and six renewals");
}

#[test]
fn a_crash_between_key_and_certificate_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = load(folder.path(), &[], NOW);
    fs::remove_file(folder.path().join(CERTIFICATE_FILE)).unwrap();
    fs::write(folder.path().join("server.crt.new"), "unfinished").unwrap();
    let (second, origin) = load(folder.path(), &[], NOW);
    assert_eq!(origin, IdentityOrigin::Renewed);
    assert_eq!(second.fingerprint(), first.fingerprint());
}

#[test]
fn many_threads_at_once_get_one_identity() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("keys");
    let start = Barrier::new(16);
    let found: Vec<_> = std::thread::scope(|scope| {
        let start_one = || {
            start.wait();
            load(&folder, &["bank.example.org"], NOW)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(start_one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let fingerprints: BTreeSet<_> = found.iter().map(|(identity, _)| identity.fingerprint()).collect();
    assert_eq!(fingerprints.len(), 1);
    let made = found.iter().filter(|(_, origin)| *origin == IdentityOrigin::Created).count();
    assert_eq!(made, 1);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &[], NOW);
    let key = folder.path().join(KEY_FILE);
    for open in [0o640, 0o604, 0o620, 0o601, 0o644] {
        fs::set_permissions(&key, Permissions::from_mode(open)).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains(&format!("mode {open:04o}")), "{text}");
        assert!(text.contains(&format!("chmod 600 {}", key.display())), "{text}");
    }
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(load(folder.path(), &[], NOW).1, IdentityOrigin::Loaded);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o770)).unwrap();
    assert!(refusal(folder.path()).contains("chmod 700"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_lost_key_is_not_replaced_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &[], NOW);
    fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
    let text = refusal(folder.path());
    assert!(text.contains("is missing although its certificate"), "{text}");
    assert!(!folder.path().join(KEY_FILE).exists());
}

#[test]
fn damaged_files_are_named_with_their_damage() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &[], NOW);
    for (file, what) in [(KEY_FILE, "private key"), (CERTIFICATE_FILE, "certificate")] {
        let path = folder.path().join(file);
        let sound = fs::read(&path).unwrap();
        let mut one_line = sound.clone();
        one_line.retain(|byte| *byte != b'\n');
        let garbled = String::from_utf8(sound.clone()).unwrap().replace("-----\nM", "-----\nA").into_bytes();
        for damaged in [
            Vec::new(),
            b"\xff\xfe\0 no key".to_vec(),
            sound[..sound.len() / 2].to_vec(),
            sound[..10].to_vec(),
            one_line,
            garbled,
        ] {
            fs::write(&path, &damaged).unwrap();
            let text = refusal(folder.path());
            let expected = format!("{} does not hold a usable {what}: ", path.display());
            assert!(text.starts_with(&expected), "{text}");
            assert!(!text.contains("MIG"), "quotes the key: {text}");
            assert_eq!(fs::read(&path).unwrap(), damaged, "a refusal changes nothing");
        }
        fs::write(&path, vec![b'x'; usize::try_from(CERTIFICATE_FILE_BYTES_MAX).unwrap() + 1]).unwrap();
        assert!(refusal(folder.path()).contains("is larger than"));
        fs::write(&path, sound).unwrap();
    }
    assert_eq!(load(folder.path(), &[], NOW).1, IdentityOrigin::Loaded);
}

#[test]
fn a_certificate_of_another_key_is_neither_used_nor_overwritten() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    load(ours.path(), &[], NOW);
    load(theirs.path(), &[], NOW);
    let path = ours.path().join(CERTIFICATE_FILE);
    fs::copy(theirs.path().join(CERTIFICATE_FILE), &path).unwrap();
    let before = fs::read(&path).unwrap();
    for list in [&[][..], &["other.example"][..]] {
        let error = Identity::load_or_create(ours.path(), &names(list), NOW).unwrap_err();
        assert!(matches!(error, TlsError::NotAPair { .. }), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_certificate_from_an_authority_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &[], NOW);
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, generate_key().unwrap()).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(folder.path().join(KEY_FILE)).unwrap()).unwrap();
    let mut server = CertificateParams::new(names(&["bank.example.org"])).unwrap();
    server.distinguished_name.push(DnType::CommonName, "bank.example.org");
    let issued = server.signed_by(&key, &authority).unwrap().pem();
    let path = folder.path().join(CERTIFICATE_FILE);
    fs::write(&path, &issued).unwrap();
    assert!(refusal(folder.path()).contains("was issued by an authority"));
    assert_eq!(fs::read_to_string(path).unwrap(), issued);
}

#[test]
fn impossible_names_and_times_are_refused_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("keys");
    for name in ["", "with space", "*.example.org", "a/b", "192.0.2.7:7447", &"x".repeat(300)] {
        let error = Identity::load_or_create(&folder, &names(&[name]), NOW).unwrap_err();
        assert!(matches!(error, TlsError::Name { .. }), "{name}: {error}");
    }
    let many: Vec<_> = (0..101).map(|i| format!("host-{i}.example")).collect();
    let error = Identity::load_or_create(&folder, &many, NOW).unwrap_err();
    assert!(matches!(error, TlsError::TooManyNames { count: 101, max: 100 }));
    assert!(!folder.exists());

    for now in [i64::MIN, i64::MAX, 253_402_300_799] {
        let error = Identity::load_or_create(&folder, &[], now).unwrap_err();
        assert!(matches!(error, TlsError::Clock { .. }), "{now}: {error}");
    }
}

#[test]
fn files_of_the_operator_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (made, _) = load(folder.path(), &[], 0);
    let (certificate, key) = (folder.path().join(CERTIFICATE_FILE), folder.path().join(KEY_FILE));
    let taken = Identity::from_files(&certificate, &key).unwrap();
    assert_eq!(taken.fingerprint(), made.fingerprint());
    assert_eq!(taken.not_after(), made.not_after(), "although it expired long ago");

    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let owned_by_root = fs::metadata(&key).unwrap().uid() == 0;
    assert_eq!(Identity::from_files(&certificate, &key).is_ok(), owned_by_root);

    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let error = Identity::from_files(&certificate, &key).unwrap_err();
    assert!(matches!(error, TlsError::KeyReadableByOthers { mode: 0o644, .. }), "{error}");
    let error = Identity::from_files(&certificate, &folder.path().join("absent")).unwrap_err();
    assert!(error.to_string().contains("in which a private key should be"), "{error}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let error = Identity::from_files(&folder.path().join("absent"), &key).unwrap_err();
    assert!(error.to_string().contains("in which a certificate should be"), "{error}");
}

#[test]
fn debug_output_shows_no_key() {
    let identity = Identity::laboratory().unwrap();
    let text = format!("{identity:?}");
    assert_eq!(text, format!("Identity {{ fingerprint: {}, .. }}", identity.fingerprint()));
}

#[test]
fn an_identity_in_memory_is_dated_and_named_like_one_that_is_kept() {
    let made = Identity::in_memory(&names(&["www.example.org"]), NOW).unwrap();
    assert_eq!((made.not_before(), made.not_after()), (NOW - DAY, NOW + 396 * DAY));
    let key = made.certified_key();
    let named = certificate::host_names(key.end_entity_cert().unwrap());
    assert_eq!(named, ["localhost", "www.example.org"]);
    assert_ne!(made.fingerprint(), Identity::in_memory(&[], NOW).unwrap().fingerprint());
}

//! Sieve, lists of pseudoprimes, known large primes, and the arithmetic against plain division.

use proptest::prelude::*;

use super::*;

/// The verdict of as many requests as it takes, and their number.
fn judge_whole(text: &str) -> (Verdict, usize) {
    let mut step = Step::FIRST;
    for request in 1.. {
        match judge(text, step) {
            Judgement::Verdict(verdict) => return (verdict, request),
            Judgement::Continue(next) => {
                assert!(next.code() > step.code(), "progress");
                step = Step::from_code(next.code()).unwrap();
            }
        }
    }
    unreachable!("steps grow and end")
}

fn check(text: &str, expected: Verdict) {
    assert_eq!(judge_whole(text).0, expected, "{text}");
}

const PROVED: Verdict = Verdict::Prime(Proof::Deterministic);
const PROBABLE: Verdict = Verdict::Prime(Proof::Probable { miller_rabin_rounds: MILLER_RABIN_ROUNDS_MAX });

fn power_of_two(exponent: usize) -> UBig {
    UBig::ONE << exponent
}

/// The 4096-bit prime of RFC 3526, section 5; (p - 1) / 2 is prime as well.
fn modp_4096() -> UBig {
    let digits = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
        020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
        4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
        EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
        98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
        9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
        E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
        3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33\
        A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
        ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
        D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2\
        08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7\
        88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8\
        DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D99B2964FA090C3A2\
        233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9\
        93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF";
    UBig::from_str_radix(digits, 16).unwrap()
}

#[test]
fn what_is_not_a_number_to_judge() {
    for text in ["", " ", "-", "+", "- 7", "+-7", "7.0", "1e3", "0x7", "1_000", "1 000", "seven", "٧", "7\0"]
    {
        check(text, Verdict::NotAnInteger);
    }
    for text in ["0", "-0", "+000"] {
        check(text, Verdict::Neither(Neither::Zero));
    }
    check("+01", Verdict::Neither(Neither::One));
    check("-7", Verdict::Neither(Neither::Negative));
    check(&format!("-1{}", "0".repeat(5000)), Verdict::Neither(Neither::Negative));
    check("\t+0007\r\n", PROVED);
    check(&format!("{}7", "0".repeat(5000)), PROVED);
}

#[test]
fn the_bound_is_exact() {
    let most = (power_of_two(PRIME_BITS_MAX) - UBig::ONE).to_string();
    assert_eq!(most.len(), PRIME_DIGITS_MAX);
    check(&most, Verdict::Composite(Reason::Factor(3)));
    check(&power_of_two(PRIME_BITS_MAX).to_string(), Verdict::TooLarge);
    check(&"9".repeat(PRIME_DIGITS_MAX), Verdict::TooLarge);
    check(&"1".repeat(1_000_000), Verdict::TooLarge);
}

#[test]
fn agrees_with_a_sieve() {
    let mut smallest_factors = vec![0_u32; 100_000];
    for candidate in 2..smallest_factors.len() {
        for multiple in (candidate..smallest_factors.len()).step_by(candidate) {
            if smallest_factors[multiple] == 0 {
                smallest_factors[multiple] = u32::try_from(candidate).unwrap();
            }
        }
    }
    for (number, &factor) in smallest_factors.iter().enumerate().skip(2) {
        let prime = usize::try_from(factor).unwrap() == number;
        check(&number.to_string(), if prime { PROVED } else { Verdict::Composite(Reason::Factor(factor)) });
    }
}

#[test]
fn strong_pseudoprimes_to_many_bases_are_found_out() {
    // The least that pass the first 4 and the first 9 primes (OEIS A014233).
    check("3215031751", Verdict::Composite(Reason::Factor(151)));
    check("3825123056546413051", Verdict::Composite(Reason::MillerRabin));
}

#[test]
fn strong_tests_alone_admit_exactly_their_known_pseudoprimes() {
    let composites = |passes: fn(&UBig, &MontgomeryRepr) -> bool| -> Vec<u32> {
        (9..60_000_u32)
            .step_by(2)
            .filter(|&number| {
                let number = UBig::from(number);
                trial::smallest_factor(&number).is_some()
                    && !is_square(&number)
                    && passes(&number, &MontgomeryRepr::new(number.clone()))
            })
            .collect()
    };
    // OEIS A001262 and A217255.
    assert_eq!(
        composites(|number, ring| miller_rabin::passes(number, ring, UBig::from(2_u8))),
        [2047, 3277, 4033, 4681, 8321, 15841, 29341, 42799, 49141, 52633]
    );
    assert_eq!(
        composites(lucas::strong),
        [5459, 5777, 10877, 16109, 18971, 22499, 24569, 25199, 40309, 58519]
    );
}

#[test]
fn every_prime_passes_the_strong_lucas_test() {
    for prime in (5..20_000_u32).map(UBig::from).filter(|number| trial::smallest_factor(number).is_none()) {
        assert!(lucas::strong(&prime, &MontgomeryRepr::new(prime.clone())), "{prime}");
    }
}

#[test]
fn composites_that_pass_miller_rabin_fail_lucas() {
    // The least strong pseudoprime to the first 13 primes: the first number that is not proved.
    check("3317044064679887385961981", Verdict::Composite(Reason::Lucas));
    // The least one to the first 12 is found out by the thirteenth.
    check("318665857834031151167461", Verdict::Composite(Reason::MillerRabin));
    // Arnault's Carmichael number of 397 digits, a strong pseudoprime to all primes below 307
    // ("Constructing Carmichael numbers which are strong pseudoprimes to several bases", 1995).
    let p = UBig::from_str_radix(
        "29674495668685510550154174642905332730771991799853043350995075531276838753171770199594238596428121188033664754218345562493168782883",
        10,
    )
    .unwrap();
    let less_one = &p - UBig::ONE;
    let number =
        &p * (UBig::from(313_u32) * &less_one + UBig::ONE) * (UBig::from(353_u32) * &less_one + UBig::ONE);
    assert_eq!(number.to_string().len(), 397);
    check(&number.to_string(), Verdict::Composite(Reason::Lucas));
}

#[test]
fn carmichael_numbers_are_composite() {
    for (number, factor) in [(561_u32, 3), (1729, 7), (29341, 13), (825_265, 5), (321_197_185, 5)] {
        check(&number.to_string(), Verdict::Composite(Reason::Factor(factor)));
    }
    // Chernick's (6k + 1)(12k + 1)(18k + 1), with factors that trial division does not reach.
    let prime = |number: u64| trial::smallest_factor(&UBig::from(number)).is_none();
    let chernick = (11_000_u64..)
        .map(|k| [6 * k + 1, 12 * k + 1, 18 * k + 1])
        .filter(|factors| factors.iter().all(|&factor| prime(factor)));
    for factors in chernick.take(20) {
        let number: u64 = factors.iter().product();
        check(&number.to_string(), Verdict::Composite(Reason::MillerRabin));
    }
}

#[test]
fn known_primes() {
    for number in ["4294967291", "4294967311", "18446744073709551557", "3317044064679887385961813"] {
        check(number, PROVED);
    }
    for number in [
        power_of_two(89) - UBig::ONE,
        power_of_two(255) - UBig::from(19_u8),
        power_of_two(521) - UBig::ONE,
        power_of_two(2203) - UBig::ONE,
        power_of_two(3217) - UBig::ONE,
        modp_4096() >> 1,
    ] {
        check(&number.to_string(), PROBABLE);
    }
    check(&(power_of_two(4253) - UBig::ONE).to_string(), Verdict::TooLarge);
}

#[test]
fn the_largest_prime_takes_one_step_a_request() {
    let number = modp_4096();
    assert_eq!(number.bit_len(), PRIME_BITS_MAX);
    let requests = usize::from(Step::LAST.code()) + 1;
    assert_eq!(judge_whole(&number.to_string()), (PROBABLE, requests));
    assert_eq!(judge_whole(&(power_of_two(521) - UBig::ONE).to_string()), (PROBABLE, 1));
}

#[test]
fn no_step_takes_more_than_a_request_may() {
    for code in 0..=Step::LAST.code() {
        assert!(Step::from_code(code).unwrap().word_products(PRIME_BITS_MAX) <= PRIME_WORD_PRODUCTS_MAX);
    }
    assert_eq!(Step::from_code(Step::LAST.code() + 1), None);
    assert_eq!(Step::from_code(u8::MAX), None);
}

#[test]
fn large_composites() {
    let (p, q) = (power_of_two(521) - UBig::ONE, power_of_two(607) - UBig::ONE);
    check(&(&p * &q).to_string(), Verdict::Composite(Reason::MillerRabin));
    check(&p.sqr().to_string(), Verdict::Composite(Reason::Square));
    check(&(&p * UBig::from(65_521_u32)).to_string(), Verdict::Composite(Reason::Factor(65_521)));
    let q = power_of_two(3217) - UBig::ONE;
    check(&(&p * &q).to_string(), Verdict::Composite(Reason::MillerRabin));
}

#[test]
fn a_skipped_step_neither_hangs_nor_lies_about_composites() {
    let last = Step::LAST;
    let p = power_of_two(521) - UBig::ONE;
    for (number, reason) in [
        (p.sqr(), Reason::Square),
        (&p * UBig::from(2_u8), Reason::Factor(2)),
        (&p * (power_of_two(607) - UBig::ONE), Reason::MillerRabin),
        (UBig::from(15_u8), Reason::Factor(3)),
    ] {
        let judgement = judge(&number.to_string(), last);
        assert_eq!(judgement, Judgement::Verdict(Verdict::Composite(reason)), "{number}");
    }
    assert_eq!(judge("2", last), Judgement::Verdict(PROVED));
}

#[test]
fn every_verdict_says_why() {
    let said: Vec<String> =
        ["97", "91", "1", "-5", "0", "x"].map(|text| judge_whole(text).0.to_string()).into();
    assert_eq!(
        said,
        [
            "prime (proved)",
            "not prime (7 divides it)",
            "neither prime nor composite (1 has one divisor, a prime has two)",
            "neither prime nor composite (primes are positive)",
            "neither prime nor composite (every number divides 0)",
            "not an integer number (write it in decimal digits, with a sign if need be)",
        ]
    );
    assert!(PROBABLE.to_string().contains("10 Miller-Rabin rounds"));
    assert!(Verdict::TooLarge.to_string().contains("4096 bits"));
}

/// Miller-Rabin over 128-bit integers with another proved set of bases (Sinclair 2011, checked
/// against Feitsma's list of all pseudoprimes below 2^64).
fn prime_by_seven_bases(number: u64) -> bool {
    if number < 2 || number.is_multiple_of(2) {
        return number == 2;
    }
    let modulus = u128::from(number);
    let twos = (number - 1).trailing_zeros();
    [2_u128, 325, 9375, 28178, 450_775, 9_780_504, 1_795_265_022].iter().all(|base| {
        let (mut power, mut square, mut exponent) = (1, base % modulus, (number - 1) >> twos);
        if square == 0 {
            return true;
        }
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = power * square % modulus;
            }
            square = square * square % modulus;
            exponent /= 2;
        }
        power == 1
            || (0..twos).any(|_| {
                let found = power == modulus - 1;
                power = power * power % modulus;
                found
            })
    })
}

/// The strong Lucas test by its definition: U and V term by term.
fn strong_lucas_by_definition(number: i128) -> bool {
    let jacobi = |discriminant: i128| {
        let (mut a, mut n, mut symbol) = (discriminant.rem_euclid(number), number, 1);
        while a != 0 {
            while a % 2 == 0 {
                a /= 2;
                symbol *= if matches!(n % 8, 3 | 5) { -1 } else { 1 };
            }
            symbol *= if a % 4 == 3 && n % 4 == 3 { -1 } else { 1 };
            (a, n) = (n % a, a);
        }
        if n == 1 { symbol } else { 0 }
    };
    let candidates =
        (5..).step_by(2).map(|magnitude| if magnitude % 4 == 1 { magnitude } else { -magnitude });
    let Some(discriminant) = candidates.take(1000).find(|&discriminant| jacobi(discriminant) == -1) else {
        panic!("{number} is a square")
    };
    let q = (1 - discriminant) / 4;
    let twos = (number + 1).trailing_zeros();
    let d = (number + 1) >> twos;
    let (mut u, mut v) = ((0, 1), (2, 1));
    for index in 0..(d << (twos - 1)) + 1 {
        let zero_v = (0..twos).any(|r| index == d << r) && v.0 == 0;
        if zero_v || (index == d && u.0 == 0) {
            return true;
        }
        u = (u.1, (u.1 - q * u.0).rem_euclid(number));
        v = (v.1, (v.1 - q * v.0).rem_euclid(number));
    }
    false
}

#[test]
fn the_fast_lucas_chain_is_the_definition() {
    for number in (5..4000_u32).step_by(2) {
        let big = UBig::from(number);
        if is_square(&big) {
            continue;
        }
        let fast = lucas::strong(&big, &MontgomeryRepr::new(big.clone()));
        let slow = strong_lucas_by_definition(number.into());
        // The fast one also finds the factors that its parameters share with the number.
        let finds_factor = slow && trial::smallest_factor(&big).is_some();
        assert!(fast == slow || finds_factor, "{number}: {fast}, {slow} by definition");
    }
}

fn odd_modulus() -> impl Strategy<Value = UBig> {
    prop::collection::vec(any::<u8>(), 1..=PRIME_BITS_MAX / 8).prop_map(|mut bytes| {
        bytes[0] |= 1;
        UBig::from_le_bytes(&bytes) + UBig::from(2_u8)
    })
}

proptest! {
    #[test]
    fn agrees_with_another_proof_for_64_bits(number in any::<u64>(), shift in 0_u32..40) {
        let number = number >> shift | 1;
        let prime = matches!(judge_whole(&number.to_string()).0, Verdict::Prime(Proof::Deterministic));
        prop_assert_eq!(prime, prime_by_seven_bases(number));
    }

    #[test]
    fn the_ring_agrees_with_division(
        modulus in odd_modulus(),
        bytes in prop::collection::vec(any::<u8>(), 1024),
        exponent in 0_u8..40,
    ) {
        let (a, b) = (UBig::from_le_bytes(&bytes[..512]) % &modulus, UBig::from_le_bytes(&bytes[512..]) % &modulus);
        let ring = MontgomeryRepr::new(modulus.clone());
        let (x, y) = (ring.reduce(a.clone()), ring.reduce(b.clone()));
        prop_assert_eq!((&x * &y).residue(), &a * &b % &modulus);
        prop_assert_eq!(x.sqr().residue(), a.sqr() % &modulus);
        prop_assert_eq!((&x - &y).residue(), (&a + &modulus - &b) % &modulus);
        let power = (0..exponent).fold(UBig::ONE, |power, _| power * &a % &modulus);
        prop_assert_eq!(x.pow(&UBig::from(exponent)).residue(), power % &modulus);
        if let Some(inverse) = x.inv() {
            prop_assert_eq!(inverse.residue() * a % &modulus, UBig::ONE % &modulus);
        }
    }

    #[test]
    fn any_text_and_step_is_answered(text in "[-+ ]{0,2}[0-9]{0,60}.{0,2}", code in 0..=Step::LAST.code()) {
        let once = judge(&text, Step::from_code(code).unwrap());
        prop_assert_eq!(once, judge(&text, Step::from_code(code).unwrap()));
    }
}

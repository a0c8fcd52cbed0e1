//! The strong Lucas probable prime test with Selfridge's parameters, method A of Baillie and
//! Wagstaff, "Lucas pseudoprimes" (Mathematics of Computation 35, 1980): the second half of
//! Baillie-PSW. Absent: squares, which have no such parameters; the caller rules them out.

use dashu_int::UBig;
use dashu_int::monty::{Montgomery, MontgomeryRepr};
use dashu_int::ops::BitTest;

/// Whether an odd number that is no square passes: with D the first of 5, -7, 9, -11 ... that has
/// the Jacobi symbol -1, P = 1, Q = (1 - D) / 4 and number + 1 = d * 2^s with d odd, either U(d) is
/// 0 or some V(d * 2^r) with r < s is.
///
/// The textbook recurrence takes three products a bit, this one two. With a and b the roots of
/// x² - x + Q, the quotients a/b and b/a have the product 1 and the sum 1/Q - 2, so
/// W(m) = V(2m) / Q^m obeys W(2m) = W(m)² - 2 and W(2m + 1) = W(m) W(m + 1) - W(1). For d = 2m + 1
/// that gives, up to factors that have an inverse,
///
/// ```text
///   U(d) = W(m + 1) - W(m)     V(d) = W(m + 1) + W(m)     V(d * 2^r) = W(d * 2^(r - 1))
/// ```
pub(super) fn strong(number: &UBig, ring: &MontgomeryRepr) -> bool {
    let Some(discriminant) = selfridge(number) else { return false };
    let Some(first) = first_term(discriminant, ring) else { return false };
    let more_one = number + UBig::ONE;
    let twos = more_one.trailing_zeros().expect("a number plus one is not zero");
    let two = ring.reduce(2_u8);
    let zero = ring.reduce(0_u8);
    let (low, high) = chain(&(more_one >> (twos + 1)), &first, &two);
    if low == high || &low + &high == zero {
        return true;
    }
    let mut term = &low * &high - &first;
    (1..twos).any(|_| {
        let found = term == zero;
        term = term.sqr() - &two;
        found
    })
}

/// W(m) and W(m + 1), by the bits of m from the top.
fn chain<'ring>(
    m: &UBig,
    first: &Montgomery<'ring>,
    two: &Montgomery<'ring>,
) -> (Montgomery<'ring>, Montgomery<'ring>) {
    let (mut low, mut high) = (two.clone(), first.clone());
    for position in (0..m.bit_len()).rev() {
        let between = &low * &high - first;
        (low, high) = if m.bit(position) { (between, high.sqr() - two) } else { (low.sqr() - two, between) };
    }
    (low, high)
}

/// W(1) = 1/Q - 2. None when Q or the discriminant shares a factor with the number, which is then
/// composite.
fn first_term(discriminant: i64, ring: &MontgomeryRepr) -> Option<Montgomery<'_>> {
    let q = (1 - discriminant) / 4;
    let magnitude = ring.reduce(q.unsigned_abs());
    let q = if q < 0 { -magnitude } else { magnitude };
    Some(q.inv()? - ring.reduce(2_u8))
}

/// The first of 5, -7, 9, -11 ... whose Jacobi symbol is -1. None when one shares a factor with
/// the number, which is then composite. Ends soon: for a number that is no square half of all
/// symbols are -1, and by 4096 bits no choice of the number can push the first beyond some
/// thousands.
fn selfridge(number: &UBig) -> Option<i64> {
    for magnitude in (5_u32..).step_by(2) {
        // The candidates are 1 modulo 4, so quadratic reciprocity turns (D / number) into this.
        let symbol = jacobi(number % magnitude, magnitude);
        if symbol == 0 && *number != UBig::from(magnitude) {
            return None;
        }
        if symbol == -1 {
            let discriminant = i64::from(magnitude);
            return Some(if magnitude % 4 == 1 { discriminant } else { -discriminant });
        }
    }
    None
}

/// The Jacobi symbol (a / n) for odd n (Cohen, "A Course in Computational Algebraic Number
/// Theory", algorithm 1.4.10, without the even case).
fn jacobi(mut a: u32, mut n: u32) -> i8 {
    let mut symbol = 1;
    while a != 0 {
        let twos = a.trailing_zeros();
        a >>= twos;
        if twos % 2 == 1 && matches!(n % 8, 3 | 5) {
            symbol = -symbol;
        }
        if a % 4 == 3 && n % 4 == 3 {
            symbol = -symbol;
        }
        (a, n) = (n % a, a);
    }
    if n == 1 { symbol } else { 0 }
}

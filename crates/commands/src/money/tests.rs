//! Amounts are read exactly or not at all, and what is shown can be read back.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{Amount, Currency, Money, TABLE};
use crate::limits::AMOUNT_MINOR_UNITS_MAX;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn check(text: &str, code: &str, expected: Expect) {
    let shown = match Amount::parse(text, currency(code)) {
        Ok(amount) => amount.minor().to_string(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn exact_amounts_are_read() {
    check("20.00", "EUR", expect!["2000"]);
    check("20", "EUR", expect!["2000"]);
    check("20.5", "EUR", expect!["2050"]);
    check("007", "EUR", expect!["700"]);
    check("-0.05", "EUR", expect!["-5"]);
    check("500", "JPY", expect!["500"]);
    check("1.234", "KWD", expect!["1234"]);
    check("10000000000000000.00", "EUR", expect!["1000000000000000000"]);
}

#[test]
fn anything_else_is_refused_with_its_reason() {
    check(
        "20.005",
        "EUR",
        expect!["20.005 has fractional minor units: EUR has 2 decimals, write at most those"],
    );
    check(
        "20.000",
        "EUR",
        expect!["20.000 has fractional minor units: EUR has 2 decimals, write at most those"],
    );
    check("5.0", "JPY", expect!["5.0 has fractional minor units: JPY has none, write a whole number"]);
    check("1e3", "EUR", expect![[r#""1e3" is written with an exponent; write all digits of the amount"#]]);
    check("+5", "EUR", expect![[r#"an amount has no plus sign; write "+5" without it"#]]);
    check(" 5", "EUR", expect![[r#"" 5" has white space in it; write the digits together"#]]);
    check("1 000", "EUR", expect![[r#""1 000" has white space in it; write the digits together"#]]);
    check(
        "1,000",
        "EUR",
        expect![[
            r#""1,000" has ',' in it, which may mean thousands or decimals; write digits with one point, like 1234.50"#
        ]],
    );
    check(
        "1'000",
        "CHF",
        expect![[
            r#""1'000" has '\'' in it, which may mean thousands or decimals; write digits with one point, like 1234.50"#
        ]],
    );
    check(
        "1.000.00",
        "EUR",
        expect![[r#""1.000.00" needs digits on both sides of one point; write it like 0.50"#]],
    );
    check(".50", "EUR", expect![[r#"".50" needs digits on both sides of one point; write it like 0.50"#]]);
    check("5.", "EUR", expect![[r#""5." needs digits on both sides of one point; write it like 0.50"#]]);
    check("-", "EUR", expect![[r#""-" needs digits on both sides of one point; write it like 0.50"#]]);
    check("", "EUR", expect!["the amount is empty; write it like 20.00"]);
    check(
        "--5",
        "EUR",
        expect![[r#""--5" is not an amount because of '-'; write digits with one point, like 20.00"#]],
    );
    check(
        "٢٠",
        "EUR",
        expect![[r#""٢٠" is not an amount because of '٢'; write digits with one point, like 20.00"#]],
    );
    check("20 EUR", "EUR", expect![[r#""20 EUR" has white space in it; write the digits together"#]]);
    check(
        "10000000000000000.01",
        "EUR",
        expect!["10000000000000000.01 is too large; an amount has at most 1000000000000000000 minor units"],
    );
    check(
        "99999999999999999999999999999999",
        "JPY",
        expect![
            "99999999999999999999999999999999 is too large; an amount has at most 1000000000000000000 minor units"
        ],
    );
    check(
        "000000000000000000000000000000001",
        "JPY",
        expect!["the amount is 33 characters long; write at most 32"],
    );
}

#[test]
fn exponents_are_those_of_iso_4217() {
    for (code, numeric, exponent) in [("EUR", 978, 2), ("JPY", 392, 0), ("KWD", 414, 3), ("CLF", 990, 4)] {
        let found = currency(code);
        assert_eq!((found.code(), found.numeric(), found.exponent()), (code, numeric, exponent));
        assert_eq!(Currency::from_numeric(numeric), Some(found));
    }
}

#[test]
fn codes_without_minor_units_are_no_currency() {
    for code in ["XXX", "XAU", "XTS", "XDR", "eur", "EU", "EURO", "", "ZZZ"] {
        assert!(code.parse::<Currency>().is_err(), "{code}");
    }
    assert_eq!(
        "XAU".parse::<Currency>().unwrap_err().to_string(),
        "\"XAU\" is not a currency that money can be counted in; use an ISO 4217 code in capitals such as EUR"
    );
}

#[test]
fn money_has_one_cbor_and_one_json_form() {
    let money = Amount::from_minor(-5).of(currency("EUR"));
    let bytes = minicbor::to_vec(money).unwrap();
    assert_eq!(bytes, [0x82, 0x24, 0x63, b'E', b'U', b'R']);
    assert_eq!(minicbor::decode::<Money>(&bytes).unwrap(), money);
    assert_eq!(serde_json::to_string(&money).unwrap(), r#"{"amount":"-0.05","currency":"EUR"}"#);
    assert_eq!(money.to_string(), "-0.05 EUR");
    assert_eq!(Amount::from_minor(500).of(currency("JPY")).to_string(), "500 JPY");
    assert_eq!(Amount::from_minor(i64::MIN).of(currency("EUR")).to_string(), "-92233720368547758.08 EUR");
}

#[test]
fn arithmetic_stops_at_the_bound() {
    assert_eq!(Amount::MAX.checked_add(Amount::from_minor(1)), None);
    assert_eq!(Amount::MIN.checked_sub(Amount::from_minor(1)), None);
    assert_eq!(Amount::from_minor(i64::MAX).checked_add(Amount::from_minor(i64::MAX)), None);
    assert_eq!(Amount::from_minor(2).checked_sub(Amount::from_minor(5)), Some(Amount::from_minor(-3)));
}

fn any_currency() -> impl Strategy<Value = Currency> {
    (0..TABLE.len()).prop_map(|place| currency(TABLE[place].code))
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(
        minor in -AMOUNT_MINOR_UNITS_MAX..=AMOUNT_MINOR_UNITS_MAX,
        currency in any_currency(),
    ) {
        let money = Amount::from_minor(minor).of(currency);
        prop_assert_eq!(Amount::parse(&money.decimal(), currency), Ok(money.amount));
    }

    #[test]
    fn no_text_panics_and_what_is_accepted_keeps_its_value(text in "-?[0-9.eE+, ]{0,24}", currency in any_currency()) {
        if let Ok(amount) = Amount::parse(&text, currency) {
            let shown = amount.of(currency).decimal();
            let exact = |text: &str| -> String {
                let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
                let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
                let value = format!("{}.{}", whole.trim_start_matches('0'), decimals.trim_end_matches('0'));
                if value == "." { value } else { format!("{sign}{value}") }
            };
            prop_assert_eq!(exact(&shown), exact(&text));
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".*", currency in any_currency()) {
        let _ = Amount::parse(&text, currency);
        let _ = text.parse::<Currency>();
    }
}

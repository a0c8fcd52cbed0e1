//! The procedure against values worked out by hand, and its edges.

use super::*;

const LAN: Network = Network { loss: 0.01, loss_after_loss: 0.01, deviation_s: 0.01, delay_s: 0.0 };

#[test]
fn the_example_of_the_paper_comes_out() {
    // §5: detection within 30 s, a mistake a month that lasts a minute; 1 % lost, mean and variance of delay 0.02.
    let network = Network { deviation_s: 0.02_f64.sqrt(), delay_s: 0.02, ..LAN };
    let demand = Demand { detection_s: Some(30.0), recurrence_s: MONTH_S, mistake_s: Some(60.0) };
    let found = network.longest_interval(&demand).unwrap();
    assert!((found.interval_s - 9.71).abs() < 0.02, "{found:?}");
    assert!((found.margin_s - 20.29).abs() < 0.04, "{found:?}");
}

#[test]
fn a_beat_a_second_is_enough_for_the_goal() {
    let demand = Demand::false_alarms_per_month(1.0, 100_000, Some(6.5));
    let (found, short) = LAN.at_interval(1.0, &demand);
    assert_eq!(short, None);
    assert!((found.margin_s - 5.5).abs() < 1e-9 && found.recurrence_s > 2.592e11, "{found:?}");
    assert!(LAN.longest_interval(&demand).unwrap().interval_s >= 1.0);
    let shortest = LAN.shortest_detection(1.0, demand.recurrence_s).unwrap();
    assert!((6.0..6.5).contains(&shortest.detection_s), "{shortest:?}");
}

#[test]
fn what_cannot_be_had_is_said_in_words() {
    let demand = |detection_s| Demand { detection_s, recurrence_s: 1e9, mistake_s: None };
    let words = |network: Network, interval_s, detection_s| {
        let (parameters, short) = network.at_interval(interval_s, &demand(detection_s));
        assert!(parameters.margin_s > 0.0, "{parameters:?}");
        short.map(|short| short.to_string()).unwrap_or_default()
    };
    assert_eq!(words(LAN, 1.0, None), "");
    assert!(words(LAN, 10.0, Some(6.5)).contains("let it beat at least every 3.25 s"));
    assert!(words(LAN, 1.0, Some(2.5)).contains("only certain to be 3 hours apart, not 32 years"));
    assert!(words(Network { delay_s: 9.0, ..LAN }, 1.0, Some(6.5)).contains("beats take 9 s"));
    let nothing = Network { loss: 1.0, loss_after_loss: 1.0, ..LAN };
    assert!(words(nothing, 1.0, None).contains("100 % of the beats are lost"));
    assert!(nothing.longest_interval(&demand(Some(30.0))).is_err());
    let slow = Network { delay_s: 31.0, ..LAN };
    assert!(matches!(slow.longest_interval(&demand(Some(30.0))), Err(Unattainable::DelayTooLong { .. })));
}

#[test]
fn bursts_take_longer() {
    let bursty = Network { loss_after_loss: 0.6, ..LAN };
    let [calm, stormy] =
        [LAN, bursty].map(|network| network.shortest_detection(1.0, 1e9).unwrap().detection_s);
    // 0.01 * 0.6^n where 0.01^n is for independent losses.
    assert!(stormy > 30.0 && calm < 6.0, "{calm} {stormy}");
}

#[test]
fn more_time_means_no_more_false_alarms_and_no_number_breaks_it() {
    let mut before = 0.0;
    for step in 0..1_000 {
        let promised = LAN.recurrence_s(1.0, f64::from(step) / 100.0);
        assert!(promised >= before, "{step}");
        before = promised;
    }
    let odd = [0.0, 1e-9, 0.5, 1.0, 1e9, f64::INFINITY];
    for (loss, other) in odd.iter().flat_map(|a| odd.iter().map(move |b| (*a, *b))) {
        let network =
            Network { loss: loss.min(1.0), loss_after_loss: 0.0, deviation_s: other, delay_s: other };
        for detection_s in [None, Some(0.0), Some(1e-12), Some(30.0), Some(1e300)] {
            let demand = Demand { detection_s, recurrence_s: 1e9, mistake_s: Some(1.0) };
            let (parameters, short) = network.at_interval(1.0, &demand);
            let _words = short.map(|short| short.to_string());
            let _interval = network.longest_interval(&demand);
            assert!(parameters.margin_s >= 0.0, "{network:?} {parameters:?}");
        }
    }
}

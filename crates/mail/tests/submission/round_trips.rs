//! How often the client waits for the server: what a message costs where the network is long.

use switchboard_mail::smtp::Options;

use crate::rows::{Connection, Row};
use crate::virtual_time::{Cut, Flow, options, run_messages};

#[test]
fn a_first_message_with_tls_and_a_login_takes_six() {
    let connection = Connection::LoginChunking;
    let ended = run_messages(&Row::usual(connection), 1, options(connection), Cut::Never, Flow::Together);
    assert_eq!(ended.server_accepted, [true]);
    // The network makes the connection in one; then TLS 1.3, greeting, EHLO, AUTH, and the message with QUIT.
    assert_eq!(1 + ended.round_trips, 6);
}

/// A connection, how its options are changed, and the round trips of a message.
type Warm<'a> = (Connection, &'a dyn Fn(Options) -> Options, usize);

#[test]
fn each_further_message_takes_as_few_as_the_server_allows() {
    let one_by_one = |mut options: Options| {
        options.unanswered_max = 1;
        options
    };
    let as_it_is = |options: Options| options;
    let rows: [Warm<'_>; 5] = [
        // MAIL, two RCPT, DATA, the message.
        (Connection::Two, &as_it_is, 5),
        (Connection::TwoPipelined, &one_by_one, 2),
        (Connection::TwoPipelined, &as_it_is, 1),
        (Connection::TwoChunking, &one_by_one, 1),
        (Connection::TwoChunking, &as_it_is, 0),
    ];
    for (connection, choice, expected) in rows {
        let trips = |messages| {
            let options = choice(options(connection));
            let ended = run_messages(&Row::usual(connection), messages, options, Cut::Never, Flow::Together);
            assert_eq!(ended.server_accepted, vec![true; messages]);
            ended.round_trips
        };
        assert_eq!(trips(21) - trips(20), expected, "{connection:?}");
    }
}

#[test]
fn what_may_be_in_doubt_is_bounded() {
    let mut options = options(Connection::TwoChunking);
    options.unanswered_max = 4;
    let ended = run_messages(&Row::usual(Connection::TwoChunking), 12, options, Cut::Never, Flow::Together);
    // Greeting, EHLO, three times four messages, QUIT.
    assert_eq!(ended.round_trips, 6);
}

//! Whether the work was done: three independent figures of a peer's store, and the calls that its clients counted.

use anyhow::{Result, ensure};

/// What the store of a peer says after a run. A withdrawal takes one minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Books {
    /// Money gone from the accounts, by their balances, in minor units.
    pub gone: i64,
    /// Sum of all entries, in minor units.
    pub entered: i64,
    /// Number of entries.
    pub entries: i64,
}

impl Books {
    /// Checks that every call moved its money once and left one entry.
    ///
    /// # Errors
    /// When the store and the clients disagree; the message has both numbers.
    pub fn verify(&self, withdrawals: u64) -> Result<()> {
        self.verify_entries(withdrawals, withdrawals)
    }

    /// Checks that so much money is gone and that there are so many new entries.
    ///
    /// # Errors
    /// As [`Books::verify`].
    pub fn verify_entries(&self, money: u64, transfers: u64) -> Result<()> {
        let (money, transfers) = (i64::try_from(money)?, i64::try_from(transfers)?);
        let Self { gone, entered, entries } = *self;
        ensure!(
            gone == money && entered == money && entries == transfers,
            "the work was not done: clients counted {transfers} transfers that took {money}, \
             but {gone} is gone from the accounts and {entries} entries add up to {entered}"
        );
        Ok(())
    }

    /// Reads `gone entered entries`, as the stores' own clients print them.
    ///
    /// # Errors
    /// When it is anything else.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let numbers: Vec<i64> = text
            .split(|letter: char| letter.is_whitespace() || letter == '|')
            .filter(|word| !word.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| anyhow::anyhow!("the books cannot be read: {text}"))?;
        let [gone, entered, entries] = numbers[..] else {
            anyhow::bail!("the books cannot be read: {text}");
        };
        Ok(Self { gone, entered, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Books = Books { gone: 70, entered: 70, entries: 70 };

    #[test]
    fn equal_numbers_pass_and_each_wrong_one_fails_with_both_numbers() {
        SOUND.verify(70).unwrap();
        let planted =
            [Books { gone: 69, ..SOUND }, Books { entered: 71, ..SOUND }, Books { entries: 68, ..SOUND }];
        for books in planted {
            let told = books.verify(70).unwrap_err().to_string();
            assert!(told.contains("counted 70"), "{told}");
            let wrong = [books.gone, books.entered, books.entries].into_iter().find(|n| *n != 70).unwrap();
            assert!(told.contains(&wrong.to_string()), "{told}");
        }
        SOUND.verify(71).unwrap_err();
    }

    #[test]
    fn books_are_read_as_psql_mariadb_and_redis_print_them() {
        let books = Books { gone: 3, entered: 3, entries: 2 };
        assert_eq!(Books::parse("3|3|2\n").unwrap(), books);
        assert_eq!(Books::parse("3\t3\t2\n").unwrap(), books);
        assert_eq!(Books::parse("3 3 2").unwrap(), books);
        Books::parse("3 3").unwrap_err();
        Books::parse("ERR no such script").unwrap_err();
        Books::parse("").unwrap_err();
    }
}

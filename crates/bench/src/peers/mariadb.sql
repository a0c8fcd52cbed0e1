-- The textbook exactly-once withdrawal as a stored function: one round trip, one transaction.
CREATE DATABASE IF NOT EXISTS calls;
USE calls;
DROP TABLE IF EXISTS entry;
DROP TABLE IF EXISTS account;
DROP FUNCTION IF EXISTS withdraw;
CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE = InnoDB;
CREATE TABLE entry (
  call_id BINARY(16) PRIMARY KEY,
  account INT NOT NULL,
  amount BIGINT NOT NULL,
  balance_after BIGINT NOT NULL,
  at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB;
INSERT INTO account SELECT seq, @filled FROM seq_1_to_1000;
CREATE USER IF NOT EXISTS bench@'127.0.0.1';
GRANT ALL ON calls.* TO bench@'127.0.0.1';

DELIMITER //
-- The balance after the withdrawal, the recorded one when the call was seen before; NULL when there is too little money.
CREATE FUNCTION withdraw(called BINARY(16), named INT, taken BIGINT) RETURNS BIGINT MODIFIES SQL DATA
BEGIN
  DECLARE left_over BIGINT DEFAULT NULL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  SELECT balance_after INTO left_over FROM entry WHERE call_id = called;
  IF left_over IS NOT NULL THEN
    RETURN left_over;
  END IF;
  UPDATE account SET balance = balance - taken WHERE id = named AND balance >= taken;
  IF ROW_COUNT() = 0 THEN
    RETURN NULL;
  END IF;
  SELECT balance INTO left_over FROM account WHERE id = named;
  INSERT INTO entry (call_id, account, amount, balance_after) VALUES (called, named, taken, left_over);
  RETURN left_over;
END//
DELIMITER ;

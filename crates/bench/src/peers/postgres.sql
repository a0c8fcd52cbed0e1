-- The textbook exactly-once withdrawal as a stored function: one round trip, one transaction.
DROP TABLE IF EXISTS entry;
DROP TABLE IF EXISTS account;
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE entry (
  call_id uuid PRIMARY KEY,
  account int NOT NULL,
  amount bigint NOT NULL,
  balance_after bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO account SELECT id, :filled FROM generate_series(1, :accounts) id;

-- The balance after the withdrawal, the recorded one when the call was seen before; NULL when there is too little money.
-- Of two copies at the same time one fails on the primary key and is rolled back.
CREATE OR REPLACE FUNCTION withdraw(call uuid, named int, taken bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  left_over bigint;
BEGIN
  SELECT balance_after INTO left_over FROM entry WHERE call_id = call;
  IF FOUND THEN
    RETURN left_over;
  END IF;
  UPDATE account SET balance = balance - taken WHERE id = named AND balance >= taken RETURNING balance INTO left_over;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO entry (call_id, account, amount, balance_after) VALUES (call, named, taken, left_over);
  RETURN left_over;
END
$$;
CHECKPOINT;

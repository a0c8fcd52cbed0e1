-- A withdrawal: KEYS[1] is the entry of the call, its last three digits name the account, ARGV[1] is the amount;
-- ARGV[2], when it is there, names the account instead. Returns the balance after it, -1 for too little money.
local recorded = redis.call('HGET', KEYS[1], 'balance')
if recorded then
  return recorded
end
local account = ARGV[2] or ('a:000000000' .. string.sub(KEYS[1], -3))
local amount = tonumber(ARGV[1])
if tonumber(redis.call('GET', account) or '0') < amount then
  return -1
end
local balance = redis.call('DECRBY', account, amount)
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'account', account, 'amount', amount, 'balance', balance, 'at', now[1] .. '.' .. now[2])
return balance

-- What each thread of sysbench repeats: a withdrawal of 1 under a new id, from an account at random.
sysbench.cmdline.options = { accounts = { "accounts to take from", 1000 } }

function thread_init()
  connection = sysbench.sql.driver():connect()
  statement = connection:prepare("SELECT withdraw(UNHEX(?), ?, 1)")
  call_id = statement:bind_create(sysbench.sql.type.CHAR, 40)
  account = statement:bind_create(sysbench.sql.type.INT)
  statement:bind_param(call_id, account)
end

local function bits16()
  return sysbench.rand.uniform(0, 65535)
end

function event()
  call_id:set(string.format("%04x%04x%04x%04x%04x%04x%04x%04x",
    bits16(), bits16(), bits16(), bits16(), bits16(), bits16(), bits16(), bits16()))
  account:set(sysbench.rand.uniform(1, sysbench.opt.accounts))
  statement:execute()
end

function thread_done()
  connection:disconnect()
end

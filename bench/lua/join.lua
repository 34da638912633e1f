-- A join as a sorted-set waiting room does it.
-- KEYS waiters, last polls, admissions of the last minute; ARGV token, now in ms, limit a minute.
-- Replies {state, rank, wait in s}: state 0 waiting, 1 admitted.
local token, now, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, now - 60000)
local minute = redis.call('ZCARD', KEYS[3])
local waiting = redis.call('ZCARD', KEYS[1])
if waiting == 0 and minute < limit then
  redis.call('ZADD', KEYS[3], now, token)
  return {1, 0, 0}
end
redis.call('ZADD', KEYS[1], now, token)
redis.call('HSET', KEYS[2], token, now)
local rank = redis.call('ZRANK', KEYS[1], token)
return {0, rank, math.floor(rank * 60 / limit)}

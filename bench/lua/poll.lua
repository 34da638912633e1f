-- A poll as a sorted-set waiting room does it.
-- KEYS waiters, last polls, admissions of the last minute; ARGV token, now in ms, limit a minute.
-- Replies {state, rank, wait in s}: state -1 unknown, 0 waiting, 1 admitted.
local token, now, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rank = redis.call('ZRANK', KEYS[1], token)
if not rank then return {-1, 0, 0} end
redis.call('HSET', KEYS[2], token, now)
redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, now - 60000)
local minute = redis.call('ZCARD', KEYS[3])
local slice = redis.call('ZCOUNT', KEYS[3], now - 6000, now)
local permits = math.min(limit - minute, math.floor(limit / 10) - slice)
if rank < permits then
  redis.call('ZREM', KEYS[1], token)
  redis.call('HDEL', KEYS[2], token)
  redis.call('ZADD', KEYS[3], now, token)
  return {1, 0, 0}
end
return {0, rank, math.floor(rank * 60 / limit)}

-- Holds slots for longer, or anew where they were forgotten. KEYS: one rule. ARGV: the
-- life of a slot (us), then who holds one.

local time = redis.call('TIME')
local life = tonumber(ARGV[1])
local expires = string.format('%.0f', time[1] * 1000000 + time[2] + life)

for number = 2, #ARGV do redis.call('ZADD', KEYS[1], expires, ARGV[number]) end
return redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life / 1000))

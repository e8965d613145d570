-- Takes from all rules or from none. KEYS: a rule each. ARGV: who asks, the life of a
-- slot (us), then for each rule its limit, its window (us; 0: slots) and the amount.
-- Answers 1 or 0, and the level of each rule after that, in one string.

local life = tonumber(ARGV[2])
local levels, passes = {}, true

for number, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[number * 3]), tonumber(ARGV[number * 3 + 1])
  local after
  if limit == 0 then
    levels[number], after = 0, 1
  elseif window == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    -- None can lapse later than that, unless the clock was set back since it was taken.
    redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + life), '+inf')
    levels[number] = redis.call('ZCARD', key)
    after = levels[number] + 1
  else
    levels[number] = level_of(key, limit, window)
    after = levels[number] + tonumber(ARGV[number * 3 + 2]) * window
    limit = limit * window
  end
  passes = passes and after <= limit
end

if passes then
  for number, key in ipairs(KEYS) do
    local limit, window = tonumber(ARGV[number * 3]), tonumber(ARGV[number * 3 + 1])
    if window == 0 then
      redis.call('ZADD', key, string.format('%.0f', now + life), ARGV[1])
      redis.call('PEXPIRE', key, string.format('%.0f', life / 1000))
      levels[number] = levels[number] + 1
    else
      levels[number] = levels[number] + tonumber(ARGV[number * 3 + 2]) * window
      keep(key, levels[number], limit)
    end
  end
end

for number, level in ipairs(levels) do levels[number] = string.format('%.0f', level) end
return (passes and '1 ' or '0 ') .. table.concat(levels, ' ')

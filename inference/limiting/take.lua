-- Takes from all rules or from none. KEYS: a rule each. ARGV: who asks, then who holds
-- slots ahead of those who will ask, parted by spaces; the life of a slot (us); then for
-- each rule its limit, its window (us; 0: slots), the amount, and how much more ahead.
-- Where half of each rule is free after both, it takes both, else the amount alone.
-- Answers 2, 1 or 0, and the level of each rule without what is ahead, in one string.

local ids, life = {}, tonumber(ARGV[2])
local levels, passes, is_wide, is_more = {}, true, true, false

for id in string.gmatch(ARGV[1], '%S+') do ids[#ids + 1] = id end

local function asked(number)
  local at = number * 4 - 1
  return tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
end

for number, key in ipairs(KEYS) do
  local limit, window, amount, ahead = asked(number)
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
    after = levels[number] + amount * window
    limit, ahead = limit * window, ahead * window
  end
  passes, is_more = passes and after <= limit, is_more or ahead > 0
  is_wide = is_wide and 2 * (after + ahead) <= limit
end

is_wide = is_wide and is_more
if passes then
  for number, key in ipairs(KEYS) do
    local limit, window, amount, ahead = asked(number)
    if window == 0 then
      local expires = string.format('%.0f', now + life)
      for held = 1, is_wide and #ids or 1 do redis.call('ZADD', key, expires, ids[held]) end
      redis.call('PEXPIRE', key, string.format('%.0f', life / 1000))
      levels[number] = levels[number] + 1
    else
      levels[number] = levels[number] + amount * window
      keep(key, levels[number] + (is_wide and ahead * window or 0), limit)
    end
  end
end

for number, level in ipairs(levels) do levels[number] = string.format('%.0f', level) end
local answer = passes and (is_wide and '2 ' or '1 ') or '0 '
return answer .. table.concat(levels, ' ')

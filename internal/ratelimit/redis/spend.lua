local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {1}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local used = tonumber(redis.call('GET', key) or 0)
  local level = math.min(math.max(used - now, 0), burst)
  if used - now > burst then -- written under a clock that ran ahead
    redis.call('SET', key, string.format('%.0f', now + burst), 'PX', math.ceil(burst / 1000))
  end
  answer[i + 1] = level
  if level + interval > burst then answer[1] = 0 end
end
if answer[1] == 1 then
  for i, key in ipairs(KEYS) do
    local ahead = answer[i + 1] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
  end
end
return answer

-- The event stream: events are appended at its newest end and dropped from its oldest.
--
-- An entry holds the fields of the event: `one` and `other` are the link of `connected` (after `=`),
-- id and data of `message`, the cause of `disconnected`, epoch and number of `expired`.

-- The bytes that an event counts for. `Event::size` in event.rs has the same formula.
local function event_size(kind, device, connection, one, other)
    local size = LIMITS.event_overhead + #device + #connection
    if kind == 'connected' then
        return size + math.max(#one - 1, 0)
    elseif kind == 'message' then
        return size + #one + #other
    elseif kind == 'expired' then
        return size + #one
    end
    return size
end

local function event(kind, device, connection, one, other)
    one, other = tostring(one or ''), tostring(other or '')
    local size, events = event_size(kind, device, connection, one, other), event_log()
    redis.call(
        'XADD', key('events'), events.next .. '-0',
        'kind', kind, 'device', device, 'connection', connection, 'at', now, 'one', one, 'other', other
    )
    redis.call('HINCRBY', key('event-bytes'), device, size)
    events.next, events.bytes, happened = events.next + 1, events.bytes + size, true
end

-- Whether there is no room for what a prospect says or opens.
local function events_full(device)
    if event_log().bytes >= LIMITS.event_bytes then
        return true
    end
    local of_device = tonumber(redis.call('HGET', key('event-bytes'), device) or 0)
    return of_device >= LIMITS.event_bytes_per_device
end

-- Lets go of the oldest events for as long as `ends` says so, up to a number; says how many went.
local function drop_events(at_most, ends)
    local entries = redis.call('XRANGE', key('events'), '-', '+', 'COUNT', at_most)
    local dropped, last = 0, nil
    for _, entry in ipairs(entries) do
        local n, said = tonumber(string.match(entry[1], '^%d+')), entry[2]
        if not ends(n, tonumber(said[8])) then
            break
        end
        local size = event_size(said[2], said[4], said[6], said[10], said[12])
        event_log().bytes = event_log().bytes - size
        if redis.call('HINCRBY', key('event-bytes'), said[4], -size) <= 0 then
            redis.call('HDEL', key('event-bytes'), said[4])
        end
        dropped, last = dropped + 1, n
    end
    if last then
        redis.call('XTRIM', key('events'), 'MINID', (last + 1) .. '-0')
    end
    return dropped
end

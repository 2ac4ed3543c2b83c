-- The event stream: what happened is written down, and let go from its oldest end.
--
-- An entry keeps what was said, not the JSON that says it; the gateway that reads it writes that.
-- What counts as its size is the JSON's.

local BASE = #'{"deviceTag":"","at":"2026-01-31T12:00:00.000Z"}'
local CONNECTION = #',"connectionId":""'
local SAID = {
    connected = #',"linkinjected":',
    disconnected = #',"code":',
    message = #',"id":,"data":',
    expired = #',"epoch":"","seq":',
}

-- A device tag and a connection id have no character that JSON escapes.
local function event_size(kind, device, connection, one, other)
    local size = BASE + #device
    if connection ~= '' then
        size = size + CONNECTION + #connection
    end
    if one ~= '' then
        size = size + SAID[kind] + #one + #other
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

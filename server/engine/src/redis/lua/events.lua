-- The event stream: events are appended, read, and dropped from its oldest end. An entry holds the
-- parts of an event; the gateway that reads it makes the JSON. event.rs lists the parts by kind.

-- The bytes that an event counts for: the same formula as `Event::size` in engine/src/event.rs.
local function event_size(kind, device, connection, detail, body)
    local size = EVENT_OVERHEAD + #device + #connection
    if kind == 'connected' then
        return size + math.max(#detail - 1, 0) -- without the `=`
    elseif kind == 'message' then
        return size + #detail + #body
    elseif kind == 'expired' then
        return size + #detail
    end
    return size
end

-- The number of the next event, and the bytes of all that are kept.
local function log()
    if not event_log then
        local found = redis.call('HMGET', key('meta'), 'next', 'bytes')
        event_log = { next = tonumber(found[1]), bytes = tonumber(found[2]) }
    end
    return event_log
end

function Events.store_log()
    if event_log then
        redis.call('HSET', key('meta'), 'next', event_log.next, 'bytes', event_log.bytes)
    end
end

function Events.append(kind, device, connection, detail, body)
    detail, body = tostring(detail or ''), tostring(body or '')
    local size, events = event_size(kind, device, connection, detail, body), log()
    redis.call(
        'XADD', key('events'), events.next .. '-0', 'kind', kind, 'device', device,
        'connection', connection, 'at', now, 'detail', detail, 'body', body
    )
    redis.call('HINCRBY', key('event-bytes'), device, size)
    events.next, events.bytes, has_appended = events.next + 1, events.bytes + size, true
end

-- Whether messages and openings of the device are refused.
function Events.are_full(device)
    if log().bytes >= LIMITS.event_bytes then
        return true
    end
    local of_device = tonumber(redis.call('HGET', key('event-bytes'), device) or 0)
    return of_device >= LIMITS.event_bytes_per_device
end

-- Drops the oldest events while `is_over` of number and time says so, up to `at_most`; returns how
-- many were dropped.
function Events.drop_oldest(at_most, is_over)
    local entries = redis.call('XRANGE', key('events'), '-', '+', 'COUNT', at_most)
    local dropped, last = 0, nil
    for _, entry in ipairs(entries) do
        -- Names and values by turns, in the order of `Events.append`.
        local n, fields = tonumber(string.match(entry[1], '^%d+')), entry[2]
        local kind, device, connection, at = fields[2], fields[4], fields[6], tonumber(fields[8])
        if not is_over(n, at) then
            break
        end
        local size = event_size(kind, device, connection, fields[10], fields[12])
        log().bytes = log().bytes - size
        if redis.call('HINCRBY', key('event-bytes'), device, -size) <= 0 then
            redis.call('HDEL', key('event-bytes'), device)
        end
        dropped, last = dropped + 1, n
    end
    if last then
        redis.call('XTRIM', key('events'), 'MINID', (last + 1) .. '-0')
    end
    return dropped
end

-- A gateway that finds nothing is notified when there is something.
Call.operation('events', SUBSCRIBE, function(from, limit)
    from = tonumber(from)
    local next = log().next
    local oldest = next - redis.call('XLEN', key('events'))
    local found = {}
    if from < next and tonumber(limit) > 0 then
        found = redis.call('XRANGE', key('events'), math.max(from, oldest) .. '-0', '+', 'COUNT', limit)
    elseif from >= next then
        redis.call('SADD', key('readers'), caller)
    end
    return { oldest, next, found }
end)

-- Drops up to a batch of events; returns whether there may be more to drop.
Call.operation('release', MAKE_ROOM, function(through)
    through = tonumber(through)
    local dropped = Events.drop_oldest(BATCH, function(n) return n <= through end)
    return { dropped == BATCH and 1 or 0 }
end)

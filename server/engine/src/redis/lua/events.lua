-- The event stream: events are appended, read, and dropped from its oldest end. An entry holds the
-- parts of an event; the gateway that reads it makes the JSON. event.rs lists the parts by kind. An entry has
-- one field, whose name is all parts but the body, one a line: names and values cost a command more than their bytes.

-- The bytes that an event counts for: the same formula as `Event::size` in engine/src/event.rs.
local function event_size(kind, device, connection, detail, body)
    local size = EVENT_OVERHEAD + #device + #connection
    if kind == 'connected' then
        return size + math.max(#detail - 1, 0) + #body -- without the `=`
    elseif kind == 'message' then
        return size + #detail + #body
    elseif kind == 'expired' then
        return size + #detail
    end
    return size
end

function Events.store_log()
    if event_log.has_changed then
        Call.change_meta('next', event_log.next)
        Call.change_meta('bytes', event_log.bytes)
        Call.change_meta('reserved', event_log.reserved)
    end
end

function Events.append(kind, device, connection, detail, body)
    detail, body = tostring(detail or ''), tostring(body or '')
    local size = event_size(kind, device, connection, detail, body)
    local head = kind .. '\n' .. device .. '\n' .. connection .. '\n' .. text(now) .. '\n' .. detail
    redis.call('XADD', key('events'), text(event_log.next) .. '-0', head, body)
    redis.call('HINCRBY', key('event-bytes'), device, text(size))
    event_log.next, event_log.bytes, event_log.has_changed = event_log.next + 1, event_log.bytes + size, true
    has_appended = true
    if kind == 'expired' then
        expired_messages = expired_messages + 1
    end
end

local function reserve(bytes)
    if bytes ~= 0 then
        event_log.reserved, event_log.has_changed = math.max(event_log.reserved + bytes, 0), true
    end
end

-- Reserves what a record is certain to cause now, in place of what it has reserved before: one `expired`
-- for each message in its outbox, and one `disconnected` for its socket.
function Events.reserve(device, record)
    local bytes = record.count * event_size('expired', device, '', record.epoch)
    if record.socket then
        bytes = bytes + event_size('disconnected', device, record.socket.connection)
    end
    if bytes ~= record.reserved then
        reserve(bytes - record.reserved)
        record.reserved = bytes
        Records.touch(device)
    end
end

-- Returns what a record that ends has reserved.
function Events.unreserve(record)
    reserve(-record.reserved)
end

-- Returns what was reserved for something of a device whose record Redis has expired: the text of its
-- event was an epoch or a connection.
function Events.unreserve_lost(device)
    reserve(-(EVENT_OVERHEAD + #device + ID_LENGTH))
end

-- Whether there is room for `bytes` more of a device.
local function has_room(device, record, bytes)
    Events.reserve(device, record)
    if event_log.bytes + event_log.reserved + bytes > LIMITS.event_bytes then
        return false
    elseif event_log.bytes + record.reserved + bytes <= LIMITS.event_bytes_per_device then
        return true -- the events of all devices would fit
    end
    local of_device = tonumber(redis.call('HGET', key('event-bytes'), device) or 0)
    return of_device + record.reserved + bytes <= LIMITS.event_bytes_per_device
end

-- Whether a socket can open: for its `connected` now and its `disconnected` later.
function Events.has_room_for_socket(device, record, connection, link, data)
    local disconnected = event_size('disconnected', device, connection)
    return has_room(device, record, event_size('connected', device, connection, link or '', data) + disconnected)
end

-- Whether a message of the prospect can be accepted.
function Events.has_room_for_event(device, record, connection, id, data)
    return has_room(device, record, event_size('message', device, connection, id, data))
end

-- Whether one more message can be queued, for its `expired`. Of the room at most a half is reserved by
-- that: the rest is for sockets, and for what prospects say.
function Events.has_room_for_message(device, record)
    local size = event_size('expired', device, '', record.epoch)
    Events.reserve(device, record)
    return 2 * (event_log.reserved + size) <= LIMITS.event_bytes
        and 2 * (record.reserved + size) <= LIMITS.event_bytes_per_device
        and has_room(device, record, size)
end

-- The number of the first event that was not released and has not expired. It may be erased: `erased` of
-- `meta` counts the numbers from it on that are.
local function oldest()
    local erased = tonumber(redis.call('HGET', key('meta'), 'erased') or 0)
    return event_log.next - redis.call('XLEN', key('events')) - erased
end

-- Makes this the number of the first event, where it is above that.
local function skip_before(number)
    local missing = number - oldest()
    if missing > 0 then
        redis.call('HINCRBY', key('meta'), 'erased', -missing)
    end
end

-- Takes an event's bytes out of the sums.
local function uncount(device, size)
    event_log.bytes, event_log.has_changed = event_log.bytes - size, true
    if redis.call('HINCRBY', key('event-bytes'), device, -size) <= 0 then
        redis.call('HDEL', key('event-bytes'), device)
    end
end

-- An entry of the stream: its number, and what it holds.
local function decode(entry)
    local n, field = tonumber(string.match(entry[1], '^%d+')), entry[2]
    local kind, device, connection, at, detail = string.match(field[1], '^([^\n]+)\n([^\n]+)\n([^\n]*)\n(%d+)\n(.*)$')
    return { n = n, device = device, at = tonumber(at), size = event_size(kind, device, connection, detail, field[2]) }
end

-- Drops the oldest events while `is_over` of number and time says so, up to `at_most`; returns how
-- many were dropped.
function Events.drop_oldest(at_most, is_over)
    local entries = redis.call('XRANGE', key('events'), '-', '+', 'COUNT', at_most)
    local dropped, last = 0, nil
    for _, entry in ipairs(entries) do
        local event = decode(entry)
        if not is_over(event.n, event.at) then
            break
        end
        uncount(event.device, event.size)
        dropped, last = dropped + 1, event.n
    end
    if last then
        redis.call('XTRIM', key('events'), 'MINID', (last + 1) .. '-0')
        skip_before(last + 1)
    end
    return dropped
end

-- The first event of a device that may be erased, and the last one; the same where it has none.
function Events.ends_of(device)
    local has_any = redis.call('HEXISTS', key('event-bytes'), device) == 1
    return has_any and oldest() or event_log.next, event_log.next - 1
end

-- Erases the events of a device up to number `last` among a batch from number `from` on. Returns the number
-- to continue from; nil where it is done.
function Events.erase(device, from, last)
    local entries = redis.call('XRANGE', key('events'), from .. '-0', last .. '-0', 'COUNT', BATCH)
    local erased, next = {}, nil
    for _, entry in ipairs(entries) do
        local event = decode(entry)
        next = event.n + 1
        if event.device == device then
            table.insert(erased, entry[1])
            uncount(device, event.size)
        end
    end
    if #erased > 0 then
        redis.call('XDEL', key('events'), unpack(erased))
        redis.call('HINCRBY', key('meta'), 'erased', #erased)
    end
    local is_done = #entries < BATCH or redis.call('HEXISTS', key('event-bytes'), device) == 0
    return not is_done and next or nil
end

-- A gateway that finds nothing is notified when there is something.
Call.operation('events', SUBSCRIBE, function(from, limit)
    from = tonumber(from)
    local next, found = event_log.next, {}
    if from < next and tonumber(limit) > 0 then
        found = redis.call('XRANGE', key('events'), from .. '-0', '+', 'COUNT', limit)
    elseif from >= next then
        Notifications.add_reader()
    end
    return { oldest(), next, found }
end)

-- Drops up to a batch of the stream's events.
Call.operation('release', MAKE_ROOM, function(stream, through)
    if redis.call('HGET', key('meta'), 'stream') ~= stream then
        return 'other-stream'
    end
    through = math.min(tonumber(through), event_log.next - 1)
    local dropped = Events.drop_oldest(BATCH, function(n) return n <= through end)
    if dropped == BATCH then
        return 'more'
    end
    skip_before(through + 1)
    return 'ok'
end)

-- How full everything is: devices, those with a socket, queued messages, events, their bytes, the bytes
-- that are reserved, and the age of the oldest event, if there is one.
Call.operation('stats', READ, function()
    local fill = {
        redis.call('ZCARD', key('due:records')), redis.call('ZCARD', key('connected')),
        redis.call('ZCARD', key('due:messages')), redis.call('XLEN', key('events')), event_log.bytes, event_log.reserved,
    }
    local oldest = redis.call('XRANGE', key('events'), '-', '+', 'COUNT', 1)[1]
    if oldest then
        table.insert(fill, math.max(now - decode(oldest).at, 0))
    end
    return fill
end)

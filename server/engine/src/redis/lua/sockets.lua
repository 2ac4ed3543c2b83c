-- The socket of a device: opened, checked by each operation of its connection, and ended.

-- How long Redis keeps the set of a link at least: beyond the time after which a record with a socket
-- is written again.
local LINK_TTL = LIMITS.token_ttl + LIMITS.record_ttl + 2 * SAFETY_TTL

-- The key of the devices whose socket came with this link.
function Sockets.key_of_link(link)
    return key('link', redis.sha1hex(link))
end

local function has_link(socket)
    return socket.link ~= ''
end

-- Keeps the set of the socket's link for as long as the record, which is written now.
function Sockets.keep_link(socket)
    if has_link(socket) then
        redis.call('PEXPIRE', Sockets.key_of_link(socket.link), LINK_TTL)
    end
end

function Sockets.open(device, record, socket, data)
    record.socket, record.ended_connection, record.end_reason = socket, '', ''
    Records.touch(device)
    -- All have one score, so that the set is in the order of the names.
    redis.call('ZADD', key('connected'), 0, device)
    if has_link(socket) then
        redis.call('ZADD', Sockets.key_of_link(socket.link), 0, device)
        Sockets.keep_link(socket)
    end
    redis.call('SADD', key('sockets', caller), device)
    redis.call('PEXPIRE', key('sockets', caller), LEASE + SAFETY_TTL)
    Events.append('connected', device, socket.connection, socket.link, data)
end

-- Takes the socket out of the record and appends `disconnected`. The cause is an end reason, the
-- gateway's close code, or nothing where no one closed it.
function Sockets.remove(device, record, cause)
    local socket = record.socket
    record.socket, record.last_seen = false, now
    Records.touch(device)
    redis.call('ZREM', key('connected'), device)
    if has_link(socket) then
        redis.call('ZREM', Sockets.key_of_link(socket.link), device)
    end
    redis.call('SREM', key('sockets', socket.gateway), device)
    Events.append('disconnected', device, socket.connection, cause)
    return socket
end

-- Ends the socket and notifies its gateway. The reason is kept for a gateway that misses it.
function Sockets.finish(device, record, reason)
    local socket = Sockets.remove(device, record, reason)
    record.ended_connection, record.end_reason = socket.connection, reason
    Notifications.end_socket(socket, reason)
end

-- Why a connection is not the device's socket.
local function why_stale(record, connection)
    if not record then
        return END_REASON.revoked
    elseif record.socket then
        return END_REASON.superseded
    elseif record.ended_connection == connection then
        return record.end_reason
    end
    return END_REASON.lease_expired
end

-- The record, if the connection is the device's socket; otherwise nil and the outcome to return.
function Sockets.record_of(device, connection)
    local record = Records.load(device)
    if record and record.socket and record.socket.connection == connection then
        return record
    end
    return nil, { 'stale', why_stale(record, connection) }
end

-- Closes sockets, each given by device and connection, with one close code or with none.
Call.operation('close', MAKE_ROOM, function(code, ...)
    local sockets = { ... }
    for place = 1, #sockets, 2 do
        local device, connection = sockets[place], sockets[place + 1]
        local record = Sockets.record_of(device, connection)
        if record then
            Sockets.remove(device, record, code)
            State.extend_record(device, record, now)
        end
    end
    return 'ok'
end)

-- The state of connections of the caller, each given by device and connection: 'open', 'queued'
-- where the outbox is not empty either, or the reason why it is not the device's socket.
Call.operation('check_sockets', READ, function(...)
    local sockets, states = { ... }, {}
    for place = 1, #sockets, 2 do
        local record, stale = Sockets.record_of(sockets[place], sockets[place + 1])
        table.insert(states, record and (record.count > 0 and 'queued' or 'open') or stale[2])
    end
    return states
end)

-- A page of the sockets that Redis knows as the caller's: the next cursor, then devices and
-- connections by turns.
Call.operation('list_sockets', READ, function(cursor)
    local scanned = redis.call('SSCAN', key('sockets', caller), cursor, 'COUNT', BATCH)
    local found = { scanned[1] }
    for _, device in ipairs(scanned[2]) do
        local record = Records.load(device)
        if record and record.socket and record.socket.gateway == caller then
            table.insert(found, device)
            table.insert(found, record.socket.connection)
        end
    end
    return found
end)

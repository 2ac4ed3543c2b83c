-- The gateways themselves: how one joins, keeps its lease, and is taken for dead.

-- For so long it is remembered that a gateway was taken for gone. One that wakes even later cannot be
-- told from one whose traces were lost.
local REMEMBERED = 30 * NET

-- From now on the gateway is gone: it is refused, and its sockets end little by little.
local function expel(gateway)
    redis.call('ZREM', key('gateways'), gateway)
    redis.call('ZADD', key('leaving'), now, gateway)
    redis.call('HDEL', key('meta'), 'mark:' .. gateway)
    redis.call('SREM', key('readers'), gateway)
    redis.call('SET', key('left', gateway), 1, 'PX', REMEMBERED)
end

-- Leases say that a gateway is gone only while another was there to see it: after a time in which
-- nobody could reach this server, everyone has a whole lease to come back.
local function begin_leases_anew()
    for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), 0, -1)) do
        redis.call('ZADD', key('gateways'), now + LIMITS.lease, gateway)
    end
end

local function renew_lease()
    local seen = tonumber(redis.call('HGET', key('meta'), 'seen') or now)
    if now - seen > LIMITS.lease / 2 then
        begin_leases_anew()
    end
    redis.call('HSET', key('meta'), 'seen', now)
    redis.call('ZADD', key('gateways'), now + LIMITS.lease, me)
    redis.call('PEXPIRE', key('sockets', me), LIMITS.lease + NET)
end

-- The gateway joins under the name that it had, if that is still good, or under a fresh one. Where
-- something may be lost, the data gets a fresh name: whatever may have been numbered twice is
-- numbered anew, and every socket ends.
redis.register_function({
    function_name = LIBRARY .. '_join',
    flags = { 'allow-oom' }, -- without it nobody could make room
    callback = function(keys, args)
        local clock, name, fresh_name, known_stream, seen = args[1], args[2], args[3], args[4], args[5]
        local fresh_stream, run, keeps_all = args[6], args[7], args[8] == '1'
        prefix, now = keys[1], tonumber(clock)
        if clock == '' then
            local time = redis.call('TIME')
            now = time[1] * 1000 + math.floor(time[2] / 1000)
        end
        local found = redis.call('HMGET', key('meta'), 'stream', 'run', 'mark:' .. name)
        local stream = found[1]
        mark = found[3] and tonumber(string.match(found[3], '(%d+)$'))
        local restarted = stream and found[2] ~= run
        local left = redis.call('EXISTS', key('left', name)) == 1
        local lost = not stream
            or restarted and not keeps_all
            or known_stream == stream and not left and (not mark or mark < tonumber(seen))
        if lost then
            for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), 0, -1)) do
                expel(gateway)
            end
            stream, mark = fresh_stream, nil
            redis.call('HSET', key('meta'), 'stream', stream)
            redis.call('HINCRBY', key('meta'), 'generation', 1)
            redis.call('HSETNX', key('meta'), 'next', 1)
            redis.call('HSETNX', key('meta'), 'bytes', 0)
        elseif restarted then
            begin_leases_anew()
        end
        redis.call('HSET', key('meta'), 'run', run)
        me = mark and name or fresh_name
        if not mark then
            generation, mark = tonumber(redis.call('HGET', key('meta'), 'generation')), 0
            keep_mark()
        end
        renew_lease()
        return { stream, me, mark }
    end,
})

-- The gateway goes, and says so.
action('leave', LISTENS, function()
    expel(me)
    return { 'ok' }
end)

-- Whether what changes something could be done now; the answer comes through the channel too.
action('ready', { flags = {} }, function()
    redis.pcall('PUBLISH', key('gateway', me), 'p')
    return { 'ok' }
end)

-- What became of connections of this gateway: 'open' where one is the socket of its device, 'queued'
-- where messages wait for it as well, otherwise the reason why it ended.
action('look_after', LOOKS, function(...)
    local asked, found = { ... }, {}
    for place = 1, #asked, 2 do
        local record, stale = record_of(asked[place], asked[place + 1])
        table.insert(found, record and (record.count > 0 and 'queued' or 'open') or stale[2])
    end
    return found
end)

-- The devices whose socket is written down as this gateway's, little by little, with the names of
-- the connections.
action('sockets', LOOKS, function(cursor)
    local scanned = redis.call('SSCAN', key('sockets', me), cursor, 'COUNT', LIMITS.batch)
    local found = { scanned[1] }
    for _, device in ipairs(scanned[2]) do
        local record = load(device)
        if record and record.socket and record.socket.gateway == me then
            table.insert(found, device)
            table.insert(found, record.socket.connection)
        end
    end
    return found
end)

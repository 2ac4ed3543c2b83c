-- Notifications for the gateways that hold sockets and event streams: the caller gets its own with
-- the reply, others get theirs through their channels. protocol.rs lists the kinds.

local function notify(gateway, kind, detail)
    table.insert(notifications, gateway)
    table.insert(notifications, detail and kind .. ' ' .. detail or kind)
end

function Notifications.end_socket(socket, reason)
    notify(socket.gateway, NOTIFICATION.end_socket, reason .. ' ' .. socket.connection)
end

function Notifications.message_queued(socket)
    notify(socket.gateway, NOTIFICATION.message_queued, socket.connection)
end

-- Messages of the device were acknowledged, or cannot be any more. Notifies the caller and every gateway
-- that waits for an acknowledgement of the device.
function Notifications.messages_settled(device, record)
    notify(caller, NOTIFICATION.messages_settled, device)
    if not record.has_waiters then
        return
    end
    for _, gateway in ipairs(redis.call('SMEMBERS', key('waiters', device))) do
        if gateway ~= caller then
            notify(gateway, NOTIFICATION.messages_settled, device)
        end
    end
    redis.call('DEL', key('waiters', device))
    record.has_waiters = false
    Records.touch(device)
end

-- The caller has looked for events and found none. Names of gateways have no spaces.
function Notifications.add_reader()
    local readers = meta[META_READERS] or ''
    if not string.find(' ' .. readers, ' ' .. caller .. ' ', 1, true) then
        Call.change_readers(readers .. caller .. ' ')
    end
end

-- Notifies the caller and every gateway that has looked for events and found none.
function Notifications.events_appended()
    notify(caller, NOTIFICATION.events_appended)
    local readers = meta[META_READERS] or ''
    if readers == '' then
        return
    end
    for gateway in string.gmatch(readers, '%S+') do
        if gateway ~= caller then
            notify(gateway, NOTIFICATION.events_appended)
        end
    end
    Call.change_readers('')
end

-- Tells the caller, who counts them, how many messages expired in this call.
function Notifications.messages_expired()
    notify(caller, NOTIFICATION.messages_expired, string.format('%d', expired_messages))
end

-- A notification is a hint: a gateway that misses one compares its sockets with Redis when it joins
-- again. The channel is sharded: in a Redis Cluster the message stays on the node. A failure to publish must not undo the operation.
local function publish(gateway, message)
    redis.pcall('SPUBLISH', key('gateway', gateway), message)
end

-- Publishes the notifications for other gateways; returns those for the caller, one a line.
function Notifications.publish()
    local own, others = {}, {}
    for place = 1, #notifications, 2 do
        local gateway, text = notifications[place], notifications[place + 1]
        if gateway == caller then
            table.insert(own, text)
        else
            others[gateway] = others[gateway] and others[gateway] .. '\n' .. text or text
        end
    end
    for gateway, texts in pairs(others) do
        publish(gateway, texts)
    end
    return table.concat(own, '\n')
end

-- Shows the caller that its channel works.
function Notifications.publish_heartbeat()
    publish(caller, NOTIFICATION.heartbeat)
end

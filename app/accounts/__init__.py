"""The people who sign in: who they are and may act as, how they prove it, and for how long.

It promises that a password is kept as an argon2id hash and nothing else, that a session ends in
every process at the moment it is revoked, that a code of the second factor counts once, and that
a refused sign-in never tells which part was wrong.
"""

from . import tables as tables
from .passwords import WeakPassword, hash_password, require_strength
from .roles import Role
from .second_factors import SEALED, Enrolment, begin_enrolment, forget_second_factor
from .sessions import (
    Session,
    Visit,
    begin_session,
    end_session,
    end_sessions,
    find_visit,
    forget_sessions,
    list_sessions,
    pass_second_factor,
    present_sessions,
    was_seen,
)
from .sign_in import TooManyTries, WrongCredentials, address_block, check_code, check_password
from .tickets import (
    LASTS,
    BadTicket,
    Ticket,
    find_ticket,
    forget_tickets,
    issue_ticket,
    redeem_ticket,
)
from .tries import Limit, count_try, forget_tries
from .users import (
    USER_STATES,
    Among,
    LoginTaken,
    NewUser,
    User,
    UserState,
    any_user,
    change_user,
    create_user,
    disable_user,
    find_user,
    find_user_by_login,
    list_users,
    name_users,
    set_password,
)

__all__ = [
    "LASTS",
    "SEALED",
    "USER_STATES",
    "Among",
    "BadTicket",
    "Enrolment",
    "Limit",
    "LoginTaken",
    "NewUser",
    "Role",
    "Session",
    "Ticket",
    "TooManyTries",
    "User",
    "UserState",
    "Visit",
    "WeakPassword",
    "WrongCredentials",
    "address_block",
    "any_user",
    "begin_enrolment",
    "begin_session",
    "change_user",
    "check_code",
    "check_password",
    "count_try",
    "create_user",
    "disable_user",
    "end_session",
    "end_sessions",
    "find_ticket",
    "find_user",
    "find_user_by_login",
    "find_visit",
    "forget_second_factor",
    "forget_sessions",
    "forget_tickets",
    "forget_tries",
    "hash_password",
    "issue_ticket",
    "list_sessions",
    "list_users",
    "name_users",
    "pass_second_factor",
    "present_sessions",
    "redeem_ticket",
    "require_strength",
    "set_password",
    "was_seen",
]
